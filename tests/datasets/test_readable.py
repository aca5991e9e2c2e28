"""A draw without the images that cannot be read."""

import pytest

from plp.datasets import FewShot, Item
from plp.datasets.readable import leave_out_unreadable
from plp.errors import DataError

GONE = Item("gone.png", 0)


@pytest.fixture
def few(noise_items, tmp_path):
    train, val, test = noise_items[:3], (*noise_items[3:5], GONE), noise_items[5:]
    names = ("cat", "dog")
    return FewShot(train, val, test, names, "pets", tmp_path, 2, 1, "exact", "", ("drawn",))


def test_a_draw_that_can_be_read_stays_as_it_is(few):
    assert leave_out_unreadable(few, ("test",)) is few


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_left_out_is_told_and_the_others_keep_their_order(few, workers):
    found = leave_out_unreadable(few, ("val", "test"), workers)
    assert found.val == few.val[:2]
    assert (found.train, found.test) == (few.train, few.test)
    first, note = found.notes
    assert first == "drawn"
    assert note.startswith("pets: 1 of 3 val images cannot be read and are left out")
    assert "of the other 2: " in note
    assert GONE.path in note


def test_a_part_of_which_nothing_is_left_is_refused(few):
    with pytest.raises(DataError, match=r"none of the 1 test images .*gone\.png.*no such file"):
        leave_out_unreadable(few._replace(test=(GONE,)), ("test",))
