import json

import pytest

from plp.datasets import Coop, sample
from plp.errors import DataError

ROWS = {
    "train": [["a/000.png", 1, "cat"], ["a/001.png", 1, "cat"], ["b/000.png", 0, "dog"]],
    "val": [["a/002.png", 1, "cat"], ["b/001.png", 0, "dog"]],
    "test": [["a/003.png", 1, "cat"], ["b/002.png", 0, "dog"], ["b/003.png", 0, "dog"]],
}


@pytest.fixture
def root(tmp_path, make_images):
    make_images(tmp_path / "images", {"a": 4, "b": 4})
    return tmp_path


def write(root, rows, name="split_zhou_OxfordPets.json"):
    (root / name).write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return root / name


def test_split_file_and_images_are_found(root):
    write(root, ROWS)
    source = Coop(root)
    splits = source.splits()
    assert source.name == splits.name == "oxford_pets"
    assert splits.root == root / "images"
    assert splits.class_names == ("dog", "cat")
    assert [tuple(item) for item in splits.train] == [
        ("a/000.png", 1),
        ("a/001.png", 1),
        ("b/000.png", 0),
    ]
    assert [len(part) for part in splits[:3]] == [3, 2, 3]
    assert all((splits.root / item.path).is_file() for part in splits[:3] for item in part)


def test_val_may_be_missing_or_empty(root):
    for rows in ({**ROWS, "val": []}, {key: ROWS[key] for key in ("train", "test")}):
        write(root, rows)
        assert Coop(root).splits().val == ()


def test_the_images_may_lie_in_the_root_itself(root):
    prefixed = {
        part: [[f"images/{path}", label, name] for path, label, name in rows]
        for part, rows in ROWS.items()
    }
    write(root, prefixed)
    assert Coop(root).splits().root == root


def test_split_and_images_by_name(root, make_images):
    make_images(root / "small", {"a": 4, "b": 4})
    write(root, ROWS)
    with pytest.raises(DataError, match=r"in several folders.*`image_dir`"):
        Coop(root).splits()
    assert Coop(root, image_dir="small").splits().root == root / "small"
    elsewhere = write(root / "small", ROWS, "my_split.json")
    assert Coop(root, split=elsewhere, image_dir="images").splits().name == "my_split"
    assert Coop(root, split="small/my_split.json", name="Flowers102").name == "oxford_flowers"
    with pytest.raises(DataError, match=r"no such image folder.*large"):
        Coop(root, image_dir="large").splits()


def test_more_than_one_split_file(root):
    write(root, ROWS)
    write(root, ROWS, "split_reduced_Pets.json")
    with pytest.raises(DataError, match=r"got 'split_reduced_Pets.json', 'split_zhou_OxfordPets"):
        Coop(root)
    assert Coop(root, split="split_reduced_Pets.json").name == "oxford_pets"


def test_no_split_file(root):
    with pytest.raises(DataError, match=r"expected one split file.*got none"):
        Coop(root)
    with pytest.raises(DataError, match=r"no split file 'x.json'"):
        Coop(root, split="x.json")
    with pytest.raises(DataError, match="no such folder"):
        Coop(root / "nowhere")


def test_images_are_nowhere(root):
    write(root, {**ROWS, "train": [["z/9.png", 1, "cat"], ["b/000.png", 0, "dog"]]})
    with pytest.raises(DataError, match=r"first image.*'z/9.png', is neither in.*'images'"):
        Coop(root).splits()


def change(part, place, row):
    rows = {name: list(entries) for name, entries in ROWS.items()}
    rows[part][place] = row
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (change("test", 0, ["a/003.png", 1, "lion"]), "test calls label 1 'lion'.*is 'cat'"),
        (change("test", 0, ["a/003.png", 0, "cat"]), "'cat' is label 1"),
        (change("test", 0, ["a/003.png", 2, "lion"]), "no train image of class 'lion'"),
        (change("test", 0, ["b/005.png", 0, "dog"]), "no test image of class 'cat'"),
        (change("train", 2, ["b/000.png", 5, "dog"]), "label"),
        (change("test", 0, ["a/000.png", 1, "cat"]), "1 images are in train and in test"),
        (change("val", 0, ["a/003.png", 1, "cat"]), "1 images are in val and in test"),
        (change("val", 0, ["a/000.png", 1, "cat"]), "1 images are in train and in val"),
        (change("test", 0, ["a/003.png", "1", "cat"]), r"test\[0\]: expected \[image path"),
        (change("val", 1, ["b/001.png", 0]), r"val\[1\]: expected"),
        ({"train": ROWS["train"]}, "train and test must not be empty"),
        ({**ROWS, "train": []}, "train and test must not be empty"),
        ({**ROWS, "train": "x"}, "expected"),
        (["x"], "expected"),
    ],
)
def test_contradictory_split_files(root, rows, message):
    write(root, rows)
    with pytest.raises(DataError, match=message):
        Coop(root).splits()


def test_labels_with_a_gap(root):
    gap = {
        part: [[path, 2 if label else 0, name] for path, label, name in rows]
        for part, rows in ROWS.items()
    }
    write(root, gap)
    with pytest.raises(DataError, match=r"expected labels 0..1, got 0, 2"):
        Coop(root).splits()


def test_a_file_that_is_no_json(root):
    (root / "split_x.json").write_text('{"train": [')
    with pytest.raises(DataError, match=r"split_x.json' is not JSON"):
        Coop(root).splits()


def test_unicode_class_names(root):
    write(
        root,
        {
            part: [[p, n, {0: "épagneul", 1: "猫"}[n]] for p, n, _ in rows]
            for part, rows in ROWS.items()
        },
    )
    splits = Coop(root).splits()
    assert splits.class_names == ("épagneul", "猫")
    assert len(sample(splits, 1, seed=0).train) == 2
