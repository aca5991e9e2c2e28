"""The timer of hashing and checks, and the limit that many files have to keep."""

import time

import pytest

from plp.check_cost import Cost, checking
from plp.datasets.contents import equal_files


def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_blocks_within_blocks_count_once():
    before = Cost.of_checks()
    with checking():
        with checking():
            spin(0.02)
        spin(0.02)
    spin(0.02)
    spent = Cost.of_checks().since(before)
    assert 0.04 <= spent.processor < 0.06
    assert spent.wall >= spent.processor * 0.9


def test_a_block_that_fails_counts():
    def fail():
        with checking():
            spin(0.01)
            raise ValueError("bad")

    before = Cost.of_checks()
    with pytest.raises(ValueError, match="bad"):
        fail()
    with checking():
        spin(0.01)
    assert Cost.of_checks().since(before).processor >= 0.02


@pytest.mark.slow
def test_fifty_thousand_files_of_different_sizes_take_no_three_seconds(tmp_path):
    paths = [str(tmp_path / f"{i}.jpg") for i in range(50_000)]
    for i, path in enumerate(paths):
        with open(path, "wb") as file:
            file.truncate(i + 1)
    before = Cost.of_checks()
    assert equal_files(paths) == []
    assert Cost.of_checks().since(before).processor < 3
