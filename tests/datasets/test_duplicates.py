"""The same content in two places of a dataset is counted and said."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plp.datasets import Coop, Folder, Item, Splits, check_splits, sample
from plp.datasets.duplicates import find_duplicates
from plp.errors import DataError

NOTHING = dict.fromkeys(
    ["test_in_train", "test_in_shots", "test_in_val", "val_in_train", "val_in_shots",
     "repeated_in_train", "repeated_in_val", "repeated_in_test", "two_labels"], 0,
)  # fmt: skip


def grow(root: Path, *paths: str) -> Path:
    """Write an image of its own at each path."""
    generator = np.random.default_rng(len(paths))
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (8, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / path)
    return root


@pytest.fixture
def parts(tmp_path):
    """A folder with train/, val/, test/ of two classes."""
    names = [f"{part}/{name}/{i}.png" for part in ("train", "val", "test")
             for name in ("ant", "bee") for i in range(3)]  # fmt: skip
    return grow(tmp_path / "insects", *names)


def found_in(splits: Splits, shots: int = 2):
    return find_duplicates(splits, sample(splits, shots, seed=1))


def counted(found):
    return {key: number for key, number in found.counts.items() if number and key != "images"}


def test_nothing_is_said_where_nothing_repeats(parts):
    found = found_in(Folder(parts).splits())
    assert found.counts == {"images": 18, **NOTHING}
    assert (found.notes, found.conflicts, found.val_shots) == ((), (), frozenset())


def test_a_test_image_that_is_a_training_image(parts):
    shutil.copy(parts / "train/ant/1.png", parts / "test/ant/0.png")
    found = found_in(Folder(parts).splits(), shots=3)
    assert counted(found) == {"test_in_train": 1, "test_in_shots": 1}
    (note,) = found.notes
    assert "insects: 1 of 6 test images are also training images (1 of them shots" in note
    assert "'test/ant/0.png' is 'train/ant/1.png'" in note


def test_a_test_image_that_is_a_training_image_and_no_shot(parts):
    splits = Folder(parts).splits()
    few = sample(splits, 1, seed=1)
    shots = {item.path for item in few.train}
    other = next(item.path for item in splits.train if item.path not in shots)
    shutil.copy(parts / other, parts / "test" / Path(other).parent.name / "2.png")
    found = find_duplicates(splits, few)
    assert counted(found) == {"test_in_train": 1}
    assert "shots" not in found.notes[0]


@pytest.mark.parametrize("how", ["copied", "linked folder", "linked files"])
def test_validation_images_that_are_the_training_images(parts, how):
    shutil.rmtree(parts / "val")
    if how == "copied":
        shutil.copytree(parts / "train", parts / "val")
    elif how == "linked folder":
        (parts / "val").symlink_to("train")
    else:
        shutil.copytree(parts / "train", parts / "val", copy_function=os.link)
    found = found_in(Folder(parts).splits(), shots=3)
    assert counted(found) == {"val_in_train": 6, "val_in_shots": 6}
    assert len(found.val_shots) == 6
    assert "6 of 6 validation images are also training images, 6 of the" in found.notes[0]


def test_validation_images_drawn_from_the_training_images(tmp_path):
    """Of two copies in the training pool one can become a shot and the other validates."""
    root = grow(tmp_path / "insects", *(f"{name}/{i}.png" for name in ("ant", "bee")
                                         for i in range(8)))  # fmt: skip
    splits = Folder(root).splits()
    few = sample(splits, 2, seed=1)
    shutil.copy(root / few.train[0].path, root / few.val[0].path)
    found = find_duplicates(splits, few)
    assert counted(found) == {"val_in_shots": 1, "repeated_in_train": 1}
    assert found.val_shots == {few.val[0].path}


def test_test_images_that_validate_and_images_that_repeat(parts):
    shutil.copy(parts / "val/bee/0.png", parts / "test/bee/0.png")
    shutil.copy(parts / "val/bee/0.png", parts / "test/bee/2.png")
    found = found_in(Folder(parts).splits())
    assert counted(found) == {"test_in_val": 2, "repeated_in_test": 1}
    assert "2 of 6 test images are also validation images" in found.notes[0]
    assert "1 in test; 'test/bee/2.png' is 'test/bee/0.png'" in found.notes[1]


@pytest.mark.parametrize("other", ["train/bee/0.png", "test/bee/1.png", "val/bee/1.png"])
def test_an_image_in_two_classes(parts, other):
    shutil.copy(parts / "train/ant/1.png", parts / other)
    found = found_in(Folder(parts).splits())
    assert found.counts["two_labels"] == 2
    assert [row.path for row in found.conflicts[0]] == ["train/ant/1.png", other]
    assert f"'train/ant/1.png' (ant) is '{other}' (bee)" in found.notes[-1]


def write_split(root, train, test):
    rows = {part: [[path, label, "ab"[label]] for path, label in items]
            for part, items in (("train", train), ("test", test))}  # fmt: skip
    (root / "split_own.json").write_text(json.dumps(rows))
    return Coop(root)


def test_a_row_twice(tmp_path):
    root = grow(tmp_path, "1.png", "2.png", "3.png", "4.png")
    rows = [("1.png", 0), ("2.png", 1), ("1.png", 0), ("./2.png", 1)]
    splits = write_split(root, rows, [("3.png", 0), ("4.png", 1)]).splits()
    assert splits.train == tuple(Item(*row) for row in rows), "published lists stay as they are"
    found = found_in(splits)
    assert counted(found)["repeated_in_train"] == 2
    assert "'1.png' is listed twice, './2.png' is '2.png'" in found.notes[-1]


@pytest.mark.parametrize("spelled", ["1.png", "./1.png", ".//1.png", "x/../1.png"])
def test_a_path_in_two_parts_however_it_is_spelled(tmp_path, spelled):
    root = grow(tmp_path, "1.png", "2.png", "4.png")
    source = write_split(root, [("1.png", 0), ("2.png", 1)], [(spelled, 0), ("4.png", 1)])
    with pytest.raises(DataError, match=r"1 images are in train and in test \('1.png'\)"):
        source.splits()


@pytest.mark.parametrize("spelled", ["1.png", "./1.png", "a//../1.png"])
def test_a_path_with_two_labels_however_it_is_spelled(tmp_path, spelled):
    root = grow(tmp_path, "1.png", "2.png", "3.png", "4.png")
    rows = [("1.png", 0), ("2.png", 1), (spelled, 1)]
    source = write_split(root, rows, [("3.png", 0), ("4.png", 1)])
    with pytest.raises(DataError, match="stands in train with two labels: 'a' and 'b'"):
        source.splits()


def test_of_a_long_training_list_the_drawn_images_are_compared(parts, monkeypatch):
    shutil.rmtree(parts / "test")
    shutil.copytree(parts / "train", parts / "test")
    splits = Folder(parts).splits()
    monkeypatch.setattr("plp.datasets.duplicates.MOST_LISTED", 3)
    found = found_in(splits, shots=1)
    assert found.counts["images"] == 6 + 6 + 2
    assert counted(found) == {"test_in_train": 2, "test_in_shots": 2}


def test_images_that_are_gone_are_nowhere_twice(tmp_path):
    one = (Item("a.png", 0), Item("b.png", 1))
    other = (Item("c.png", 0), Item("d.png", 1))
    splits = check_splits(Splits(one, (), other, ("a", "b"), "gone", tmp_path))
    assert found_in(splits, 1).counts == {"images": 4, **NOTHING}
