"""Layouts of annotations are refused: what they are, which table lies there, what is expected."""

import pytest

from plp.datasets import Folder
from plp.errors import DataError

EXPECTED = r"one sub-folder per class \(ROOT/CLASS/IMAGE\)"


def refused(root, *patterns):
    with pytest.raises(DataError) as caught:
        Folder(root).splits()
    for pattern in (EXPECTED, *patterns):
        caught.match(pattern)


LAYOUTS = {
    "kaggle": ({"train": 6, "test": 6}, ("train.csv", "sample_submission.csv")),
    "masks": ({"images": 6, "masks": 6}, ()),
    "voc": ({"JPEGImages": 6, "SegmentationClass": 6}, ("Annotations/1.xml",)),
    "coco": ({"train2017": 6, "val2017": 6}, ("annotations/instances_train2017.json",)),
    "yolo": ({"images/train": 6, "images/val": 6}, ("labels/train/1.txt", "data.yaml")),
    "roboflow yolo": ({"train/images": 6, "valid/images": 6}, ("train/labels/1.txt", "data.yaml")),
    "roboflow coco": ({"train": 6, "valid": 6, "test": 6}, ("train/_annotations.coco.json",)),
    "parts of masks": ({f"{p}/{n}": 6 for p in ("train", "test") for n in ("images", "masks")}, ()),
    "flat and annotated": ({".": 6, "Labels": 6}, ("labels.csv",)),
    "prefixed parts": ({"cars_train": 6, "cars_test": 6}, ("devkit/cars_meta.mat",)),
    "parts of two domains": ({f"{p}{d}": 6 for p in ("train", "test") for d in "AB"}, ()),
    "coco, all of it": ({f"{p}2017": 6 for p in ("train", "val", "test", "unlabeled")}, ()),
    "unlabelled test": ({"train/cat": 6, "train/dog": 6, "test": 6}, ()),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_refused(tmp_path, make_images, name):
    folders, files = LAYOUTS[name]
    make_images(tmp_path, folders)
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("x")
    tables = [file for file in files if file.endswith((".csv", ".json", ".yaml"))]
    if name == "roboflow yolo":
        tables = []  # the message is about train/
    refused(tmp_path, *(rf"There is a table, .*'{table}'" for table in tables))


@pytest.mark.parametrize("files", [(), ("train.csv",)])
def test_flat_images(tmp_path, make_images, files):
    make_images(tmp_path, {".": 4})
    for file in files:
        (tmp_path / file).write_text("x")
    refused(tmp_path, "no sub-folder", *(f"'{file}'" for file in files), "4 images outside")


def test_one_folder_and_a_table(tmp_path, make_images):
    make_images(tmp_path, {"jpg": 6})
    (tmp_path / "imagelabels.mat").write_bytes(b"x")
    refused(tmp_path, r"expected 2 classes or more.*'jpg'", "'imagelabels.mat'")


@pytest.mark.parametrize("classes", [("mask", "no_mask"), ("label", "bottle"), ("gt", "rally")])
def test_classes_may_have_such_names_beside_others(tmp_path, make_images, classes):
    make_images(tmp_path, dict.fromkeys(classes, 6))
    splits = Folder(tmp_path).splits()
    assert len(splits.class_names) == 2
    assert any("often hold images or masks" in note for note in splits.notes)


@pytest.mark.parametrize(
    "classes",
    [("train", "test", "samples"), ("cars_train", "cars_test", "samples")],
)
def test_parts_beside_another_folder_are_warned_of(tmp_path, make_images, classes):
    make_images(tmp_path, dict.fromkeys(classes, 6))
    notes = Folder(tmp_path).splits().notes
    assert any(f"'{classes[0].replace('_', ' ')}'" in note and "Move" in note for note in notes)


def test_classes_may_end_in_names_of_parts(tmp_path, make_images):
    make_images(tmp_path, dict.fromkeys(("steam_train", "toy_train", "crash_test"), 6))
    splits = Folder(tmp_path).splits()
    assert len(splits.class_names) == 3
    assert not any("Move" in note for note in splits.notes)


def test_a_level_too_high_names_the_right_root(tmp_path, make_images):
    make_images(tmp_path, {"images/cat": 4, "images/dog": 4})
    (tmp_path / "images.txt").write_text("1 cat/000.png")
    refused(tmp_path, rf"one level too high\? Then give --data-root '{tmp_path}/images'")


def test_class_folders_of_class_folders(tmp_path, make_images):
    make_images(tmp_path, {"2023/cat": 4, "2023/dog": 4, "2024/cat": 4})
    with pytest.raises(DataError, match=r"'cat', 'dog'\): is the data root one level too high"):
        Folder(tmp_path).splits()
