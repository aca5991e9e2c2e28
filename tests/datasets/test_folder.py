import os
import unicodedata

import pytest

from plp.datasets import Folder, sample
from plp.errors import DataError

PETS = {"tree_frog": 4, "Cat": 6, "dog": 5}


def test_one_level(tmp_path, make_images):
    make_images(tmp_path, PETS)
    splits = Folder(tmp_path).splits()
    assert splits.class_names == ("Cat", "dog", "tree frog")
    assert splits.val == ()
    assert {part: len(getattr(splits, part)) for part in ("train", "test")} == {
        "train": 8,
        "test": 7,
    }
    assert sorted(item.path for item in splits.train + splits.test) == sorted(
        f"{name}/{i:03d}.png" for name, count in PETS.items() for i in range(count)
    )
    for item in splits.train + splits.test:
        assert splits.class_names[item.label] == item.path.split("/")[0].replace("_", " ")
    assert "7 of 15 images are held out" in splits.notes[0]


@pytest.mark.filterwarnings("ignore:.*fewer than")
def test_the_test_part_does_not_change_with_shots_seed_or_place(tmp_path, make_images):
    tests = set()
    for place in ("here", "there"):
        make_images(tmp_path / place, PETS)
        splits = Folder(tmp_path / place).splits()
        tests |= {sample(splits, shots, seed).test for shots in (1, 2) for seed in (1, 2)}
    assert len(tests) == 1


def test_the_test_fraction(tmp_path, make_images):
    make_images(tmp_path, {"a": 10, "b": 2})
    counts = {}
    for fraction in (0.1, 0.5, 0.8, 0.99):
        test = Folder(tmp_path, test_fraction=fraction).splits().test
        counts[fraction] = tuple(sum(item.label == label for item in test) for label in (0, 1))
    assert counts == {0.1: (2, 0), 0.5: (5, 1), 0.8: (7, 1), 0.99: (9, 1)}
    with pytest.raises(DataError, match=r"between 0 and 1, got 1.5"):
        Folder(tmp_path, test_fraction=1.5).splits()


def test_given_parts(tmp_path, make_images):
    make_images(
        tmp_path, {f"{part}/{name}": 2 for part in ("train", "val", "test") for name in "ab"}
    )
    splits = Folder(tmp_path).splits()
    assert [item.path for item in splits.val] == [
        f"val/{n}/{i:03d}.png" for n in "ab" for i in (0, 1)
    ]
    assert [len(part) for part in splits[:3]] == [4, 4, 4]
    assert [item.label for item in splits.test] == [0, 0, 1, 1]
    assert splits.notes == ()


def test_train_and_test_without_val(tmp_path, make_images):
    make_images(tmp_path, {f"{part}/{name}": 1 for part in ("train", "test") for name in "ab"})
    splits = Folder(tmp_path).splits()
    assert [len(part) for part in splits[:3]] == [2, 0, 2]


def test_val_is_the_test_set_where_there_is_no_other(tmp_path, make_images):
    make_images(tmp_path, {f"{part}/{name}": 1 for part in ("train", "val") for name in "ab"})
    splits = Folder(tmp_path).splits()
    assert [item.path for item in splits.test] == ["val/a/000.png", "val/b/000.png"]
    assert splits.val == ()
    assert "val/ is the test set" in splits.notes[0]


def test_train_alone_is_refused(tmp_path, make_images):
    make_images(tmp_path, {"train/a": 2, "train/b": 2})
    with pytest.raises(DataError, match=r"neither test/ nor val/.*give the folder train/ itself"):
        Folder(tmp_path).splits()
    assert len(Folder(tmp_path / "train").splits().test) == 2


def test_a_class_may_be_called_train(tmp_path, make_images):
    make_images(tmp_path, {"train": 2, "ship": 2})
    assert Folder(tmp_path).splits().class_names == ("ship", "train")


def test_class_mismatch_names_the_classes(tmp_path, make_images):
    make_images(tmp_path, {"train/a": 1, "train/b": 1, "test/a": 1, "test/c": 1})
    with pytest.raises(DataError, match=r"Only in train/: 'b'; only in test/: 'c'"):
        Folder(tmp_path).splits()


def test_underscore_or_space_is_the_same_class_in_both_parts(tmp_path, make_images):
    make_images(tmp_path, {"train/a b": 1, "train/a_c": 1, "test/a_b": 1, "test/a c": 1})
    splits = Folder(tmp_path).splits()
    assert splits.class_names == ("a b", "a c")
    assert [item.path.split("/")[1] for item in splits.test] == ["a_b", "a c"]


def test_two_folders_of_one_class_name_are_refused(tmp_path, make_images):
    make_images(tmp_path, {"a b": 2, "a_b": 2})
    with pytest.raises(DataError, match=r"'a b' and 'a_b'.*both mean class 'a b'"):
        Folder(tmp_path).splits()


@pytest.mark.filterwarnings("ignore:.*fewer than")
def test_unicode_names(tmp_path, make_images):
    decomposed = unicodedata.normalize("NFD", "épagneul")
    make_images(tmp_path, {decomposed: 2, "猫": 2, "Größe_L": 2})
    splits = Folder(tmp_path).splits()
    assert splits.class_names == ("Größe L", "épagneul", "猫")
    assert len(sample(splits, 1, seed=0).train) == 3


def test_what_is_no_image_is_passed_over(tmp_path, make_images):
    make_images(tmp_path, {"a": 2, "b": 2, ".git": 1, "__MACOSX": 1})
    for name in ("notes.txt", ".hidden.png", "Thumbs.db"):
        (tmp_path / "a" / name).write_bytes(b"x")
    (tmp_path / "README.md").write_text("x")
    (tmp_path / "a" / "folder.png").mkdir()
    (tmp_path / "a" / "000.png").rename(tmp_path / "a" / "000.PnG")
    splits = Folder(tmp_path).splits()
    assert splits.class_names == ("a", "b")
    assert {item.path for item in splits.train + splits.test if item.label == 0} == {
        "a/000.PnG",
        "a/001.png",
    }


def test_the_listing_of_the_disk_does_not_matter(tmp_path, make_images, monkeypatch):
    make_images(tmp_path, PETS)
    expected = Folder(tmp_path).splits()
    scan = os.listdir

    def reversed_listing(path):
        return sorted(scan(path), reverse=True)

    monkeypatch.setattr(os, "listdir", reversed_listing)
    monkeypatch.setattr(
        type(tmp_path), "iterdir", lambda self: (self / n for n in reversed_listing(self))
    )
    assert Folder(tmp_path).splits() == expected


def test_links_are_followed(tmp_path, make_images):
    make_images(tmp_path / "store", {"x": 3, "y": 3})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cat").symlink_to(tmp_path / "store" / "x", target_is_directory=True)
    (tmp_path / "data" / "dog").mkdir()
    for i in range(2):
        (tmp_path / "data" / "dog" / f"{i}.png").symlink_to(tmp_path / "store" / "y" / "000.png")
    splits = Folder(tmp_path / "data").splits()
    assert splits.class_names == ("cat", "dog")
    assert len(splits.train + splits.test) == 5


def test_a_missing_folder(tmp_path):
    with pytest.raises(DataError, match=r"no such folder.*nowhere"):
        Folder(tmp_path / "nowhere")


def test_a_folder_without_classes(tmp_path):
    with pytest.raises(DataError, match="no sub-folder"):
        Folder(tmp_path).splits()


def test_a_single_class(tmp_path, make_images):
    make_images(tmp_path, {"cat": 4})
    with pytest.raises(DataError, match="2 classes or more"):
        Folder(tmp_path).splits()


def test_an_empty_class_is_named(tmp_path, make_images):
    make_images(tmp_path, {"cat": 4, "dog": 4, "empty_one": 0})
    (tmp_path / "empty_one" / ".DS_Store").write_text("x")
    with pytest.raises(DataError, match=r"empty_one.*is empty.*Add images or remove the folder"):
        Folder(tmp_path).splits()


def test_a_folder_of_other_things_is_no_class_and_reported(tmp_path, make_images):
    make_images(tmp_path, {"cat": 4, "dog": 4, "docs": 0, "clips": 0})
    (tmp_path / "docs" / "how.md").write_text("x")
    (tmp_path / "clips" / "1.mp4").write_text("x")
    splits = Folder(tmp_path).splits()
    assert splits.class_names == ("cat", "dog")
    assert "2 class folders without images ('clips', 'docs')" in splits.notes[1]


def test_a_class_without_images_in_one_part_is_refused(tmp_path, make_images):
    make_images(tmp_path, {"train/a": 1, "train/b": 1, "test/a": 1, "test/b": 0})
    with pytest.raises(DataError, match=r"test/b' is empty.*Add images or remove the folder"):
        Folder(tmp_path).splits()
    (tmp_path / "train/b/000.png").unlink()
    for part in ("train", "test"):
        (tmp_path / part / "b" / "list.txt").write_text("x")
    with pytest.raises(DataError, match=r"2 classes or more.*got one, 'a'(.|\n)*2 \.txt"):
        Folder(tmp_path).splits()


@pytest.mark.parametrize("suffix", [".HEIC", ".cr2", ".svg"])
def test_a_class_of_images_that_are_not_read_is_refused(tmp_path, make_images, suffix):
    make_images(tmp_path, {"cat": 4, "dog": 4, "hen": 0})
    (tmp_path / "hen" / f"1{suffix}").write_bytes(b"x")
    with pytest.raises(DataError, match=rf"(?i)hen' is empty(.|\n)*{suffix[1:]}") as caught:
        Folder(tmp_path).splits()
    assert ("install pillow-heif, or convert" in str(caught.value)) == (suffix == ".HEIC")


def test_a_root_one_level_too_high(tmp_path, make_images):
    make_images(tmp_path, {"images/cat": 2, "images/dog": 2})
    with pytest.raises(DataError, match=r"'cat', 'dog'\): is the data root one level too high"):
        Folder(tmp_path).splits()


def test_one_image_of_a_class(tmp_path, make_images):
    make_images(tmp_path, {"cat": 4, "dog": 1})
    with pytest.raises(DataError, match=r"'dog/000.png' is the only image of its class"):
        Folder(tmp_path).splits()


@pytest.mark.parametrize(
    ("folder", "label"),
    [("flowers", "flowers"), ("caltech", "caltech"), ("OxfordFlowers", "oxford_flowers_folder"),
     ("dtd", "dtd_folder"), ("food101", "food101_folder"), ("textile", "textile_folder")],
)  # fmt: skip
def test_the_folder_s_name_is_a_label_and_nothing_else(tmp_path, make_images, folder, label):
    make_images(tmp_path / folder, PETS)
    source = Folder(tmp_path / folder)
    assert (source.name, source.recipe) == (label, "")
    named = Folder(tmp_path / folder, name="DescribableTextures")
    assert (named.name, named.recipe) == ("dtd", "dtd")


def test_the_name_is_the_folder_s(tmp_path, make_images, monkeypatch):
    make_images(tmp_path / "My Pets", PETS)
    assert Folder(tmp_path / "My Pets").name == "my_pets"
    assert Folder(tmp_path / "My Pets", name="OxfordPets").name == "oxford_pets"
    monkeypatch.chdir(tmp_path / "My Pets")
    assert Folder(".").name == "my_pets"
