"""Held-out images stay held out: whatever a class is called, and however it grows."""

import random
import re

import pytest

from plp.datasets import Folder, Item
from plp.datasets.held_out_by_name import hold_out_by_name, name_hash
from plp.errors import DataError


def names(generator: random.Random, count: int) -> list[str]:
    style = generator.choice(["IMG_{:04d}.jpg", "{:03d}.png", "DSC{:05d}.JPG", "été {}.webp", "{}"])
    numbers = generator.sample(range(10_000), count)
    suffix = "" if "." in style else ".jpeg"
    return [style.format(number) + suffix for number in numbers]


def tree(generator: random.Random) -> dict[str, list[str]]:
    classes = [f"class {i}" for i in range(generator.randint(2, 6))]
    return {one: names(generator, generator.choice([2, 3, 5, 10, 40])) for one in classes}


def items_of(tree: dict[str, list[str]]) -> list[Item]:
    return [Item(f"{c}/{n}", i) for i, c in enumerate(sorted(tree)) for n in sorted(tree[c])]


def test_no_held_out_image_ever_moves_into_training():
    tested = 0
    for seed in range(200):
        generator = random.Random(seed)
        old, fraction = tree(generator), generator.choice([0.2, 0.5, 0.8])
        try:
            held = set(split_paths(hold_out_by_name(items_of(old), fraction).test))
        except DataError:  # no image is held out: nothing to keep out of training
            continue
        for more in (0, 1, 5, 50):
            new = {f"renamed {one} {generator.random()}": list(files) for one, files in old.items()}
            back = dict(zip(new, old, strict=True))
            for files in new.values():
                files += [name for name in names(generator, more) if name not in files]
            train = hold_out_by_name(items_of(new), fraction).train
            assert held.isdisjoint((back[c], n) for c, n in split_paths(train))
            tested += 1
    assert tested > 700


def split_paths(items):
    return [tuple(item.path.split("/", 1)) for item in items]


def test_one_image_more_leaves_the_others_where_they_are(tmp_path, make_images):
    make_images(tmp_path / "before", {"cat": 40, "dog": 40})
    make_images(tmp_path / "after", {"felines": 41, "dog": 40})
    before, after = (Folder(tmp_path / one).splits() for one in ("before", "after"))
    old = {item.path.replace("cat/", "felines/") for item in before.test}
    assert old <= {item.path for item in after.test}
    assert len(after.test) - len(old) in (0, 1)


def search(below: bool, count: int) -> list[str]:
    found = (f"{i}.jpg" for i in range(1000) if (name_hash(f"{i}.jpg") < 0.5) == below)
    return [next(found) for _ in range(count)]


def test_a_class_without_test_images_is_trained_and_reported(tmp_path):
    (tmp_path / "seed").mkdir()
    grow(tmp_path / "photos", {"cat": search(False, 3), "dog": [f"{i}.jpg" for i in range(8)]})
    splits = Folder(tmp_path / "photos").splits()
    assert splits.untested == (0,)
    assert {item.label for item in splits.test} == {1}
    assert any("1 of 2 classes have no test image" in note and "'cat'" in note
               for note in splits.notes)  # fmt: skip


def test_a_class_without_training_images_gets_one_back(tmp_path):
    files = search(True, 4)
    grow(tmp_path / "photos", {"cat": files, "dog": [f"{i}.jpg" for i in range(8)]})
    splits = Folder(tmp_path / "photos").splits()
    largest = max(files, key=name_hash)
    assert [item.path for item in splits.train if item.label == 0] == [f"cat/{largest}"]
    assert any("1 of 2 classes every file name falls to the test part" in note
               and f"cat/{largest}" in note for note in splits.notes)  # fmt: skip


def grow(root, classes):
    from image_trees import grow as grow_tree

    grow_tree(root, [f"{name}/{file}" for name, files in classes.items() for file in files])


def test_images_of_one_name_go_together():
    items = [Item(f"cat/{place}/{i}.jpg", 0) for place in "ab" for i in range(6)]
    test = {item.path for item in hold_out_by_name(items, 0.5).test}
    assert {path.replace("/a/", "/b/") for path in test} == {
        path.replace("/a/", "/b/") for path in test if "/b/" in path
    }


def test_the_hash_is_that_of_the_composed_name():
    assert name_hash("e\u0301te\u0301.jpg") == name_hash("été.jpg")
    assert name_hash("\udcff.jpg") != name_hash("\udcfe.jpg")


def test_the_division_stays_the_same_in_every_version():
    items = [Item(f"x/{i:03d}.png", 0) for i in range(12)]
    held = [item.path for item in hold_out_by_name(items, 0.5).test]
    assert held == [f"x/{i:03d}.png" for i in (1, 2, 5, 7, 8, 11)]


def test_errors():
    with pytest.raises(DataError, match=r"between 0 and 1, got 0.0"):
        hold_out_by_name([], 0.0)
    with pytest.raises(DataError, match=r"'a/1.png' is the only image of its class"):
        hold_out_by_name([Item("a/1.png", 0)], 0.5)
    none = [Item(f"a/{name}", 0) for name in search(False, 5)]
    with pytest.raises(DataError, match=r"no image is held out.*--test-fraction 0\.\d+") as caught:
        hold_out_by_name(none, 0.5)
    enough = float(re.search(r"0\.\d+(?=, at which)", str(caught.value))[0])
    assert len(hold_out_by_name(none, enough).test) > 0
    with pytest.raises(DataError, match="no image is held out"):
        hold_out_by_name(none, enough - 0.01)
