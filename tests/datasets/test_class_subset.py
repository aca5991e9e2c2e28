"""Half of the classes: the same shots as in the whole draw, labels and halves of the field."""

from pathlib import Path

import pytest
from unchecked import as_installed

from plp.datasets import Item, Splits, sample
from plp.datasets.class_subset import take_classes
from plp.datasets.sampling import split_hash
from plp.errors import ConfigError, DataError


def splits(classes):
    """Classes in turn, so that the order of the list is not that of the labels."""
    order = [c for i in range(6) for c in reversed(range(classes))]
    pool = tuple(Item(f"{i}_{c}.png", c) for i, c in enumerate(order))
    third = len(pool) // 3
    names = tuple(f"class {c}" for c in range(classes))
    return Splits(pool[:third], pool[third : 2 * third], pool[2 * third :], names, "d", Path("."))


@pytest.mark.parametrize(("classes", "half"), [(4, 2), (5, 3), (6, 3), (7, 4)])
def test_halves_are_disjoint_whole_and_labelled_from_zero(classes, half):
    whole = sample(splits(classes), 2, 1)
    base, new = (take_classes(whole, part) for part in ("base", "new"))
    assert base.class_names == whole.class_names[:half]
    assert base.class_names + new.class_names == whole.class_names
    assert (base.name, new.name) == ("d-base", "d-new")
    for part in ("train", "val", "test"):
        mine = [getattr(few, part) for few in (base, new)]
        paths = [{item.path for item in items} for items in mine]
        assert not paths[0] & paths[1]
        assert paths[0] | paths[1] == {item.path for item in getattr(whole, part)}
        for few, items in zip((base, new), mine, strict=True):
            for item in items:
                label = int(item.path.partition("_")[2].removesuffix(".png"))
                assert few.class_names[item.label] == f"class {label}"


def test_shots_are_those_of_the_whole_draw_in_its_order():
    whole = sample(splits(5), 2, 1)
    base = take_classes(whole, "base")
    wanted = [item.path for item in whole.train if item.label < 3]
    assert [item.path for item in base.train] == wanted
    assert base.split_hash == split_hash(base.train) != whole.split_hash
    assert take_classes(whole, "all") is whole


def test_what_cannot_be_halved():
    with pytest.raises(DataError, match="needs 4 classes or more"):
        take_classes(sample(splits(3), 1, 1), "new")
    with (
        as_installed(),
        pytest.raises(ConfigError, match=r"data\.classes to be 'all', 'base' or 'new'"),
    ):
        take_classes(sample(splits(4), 1, 1), "old")
