"""Parts by the names that people give them, and classes that have such names."""

import pytest

from plp.datasets import Folder
from plp.errors import DataError


def tree(*parts, classes="ab"):
    return {f"{part}/{name}": 2 for part in parts for name in classes}


@pytest.mark.parametrize(
    ("folders", "sizes"),
    [
        (("train", "valid", "test"), (4, 4, 4)),
        (("Train", "Test"), (4, 0, 4)),
        (("TRAIN", "Validation", "TEST"), (4, 4, 4)),
        (("training", "dev", "testing"), (4, 4, 4)),
        (("training_set", "test_set"), (4, 0, 4)),
        (("train", "valid"), (4, 0, 4)),
        (("Training", "validation"), (4, 0, 4)),
        (("train_images", "val_images", "test_images"), (4, 4, 4)),
    ],
)
def test_names_of_parts(tmp_path, make_images, folders, sizes):
    make_images(tmp_path, tree(*folders))
    splits = Folder(tmp_path).splits()
    assert tuple(map(len, splits[:3])) == sizes
    assert splits.class_names == ("a", "b")
    assert splits.train[0].path == f"{folders[0]}/a/000.png"
    renamed = any(folder not in ("train", "val", "test") for folder in folders)
    assert any("parts by other names" in note for note in splits.notes) == renamed


@pytest.mark.parametrize(
    "classes", [("train", "bus", "car"), ("dev", "ops"), ("Test", "pass"), ("training", "resting")]
)
def test_names_of_classes(tmp_path, make_images, classes):
    make_images(tmp_path, dict.fromkeys(classes, 6))
    assert Folder(tmp_path).splits().class_names == tuple(sorted(classes))


def test_parts_need_class_folders(tmp_path, make_images):
    make_images(tmp_path, {"train": 6, "dev": 6, "bus": 6, "train/nested": 2})
    assert Folder(tmp_path).splits().class_names == ("bus", "dev", "train")


def test_two_names_of_one_part_are_refused(tmp_path, make_images):
    make_images(tmp_path, tree("train", "val", "valid", "test"))
    with pytest.raises(DataError, match=r"'val', 'valid' are all names of the val part"):
        Folder(tmp_path).splits()
    make_images(tmp_path / "x", tree("Train", "train", "test"))
    with pytest.raises(DataError, match=r"'Train', 'train' are all names of the train part"):
        Folder(tmp_path / "x").splits()


def test_a_part_without_images_is_none(tmp_path, make_images):
    make_images(tmp_path, tree("train", "test") | {"valid/a": 0, "valid/b": 0})
    assert [len(part) for part in Folder(tmp_path).splits()[:3]] == [4, 0, 4]


def test_a_training_part_alone_is_refused_by_any_name(tmp_path, make_images):
    make_images(tmp_path, tree("Training"))
    with pytest.raises(DataError, match=r"neither test/ nor val/.*the folder Training/ itself"):
        Folder(tmp_path).splits()
