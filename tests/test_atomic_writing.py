"""Atomic writing: what a file was stays what it is."""

import os
import stat
import threading

import pytest

from plp.files import write_bytes, write_text


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_permissions_stay(tmp_path, mode):
    path = tmp_path / "result.json"
    path.write_text("old")
    path.chmod(mode)
    write_text(path, "new")
    assert path.read_text() == "new"
    assert mode_of(path) == mode
    assert [one.name for one in tmp_path.iterdir()] == ["result.json"]


def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "new", b"x")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "new") == 0o640


def test_many_threads_write_one_file(tmp_path):
    texts = [str(i) * 1000 for i in range(8)]
    threads = [threading.Thread(target=write_text, args=(tmp_path / "x", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "x").read_text() in texts
    assert [one.name for one in tmp_path.iterdir()] == ["x"]
