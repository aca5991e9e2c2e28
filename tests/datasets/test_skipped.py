"""What listings leave out is counted; train, predict and ood see the same images of a folder."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from plp.datasets import Folder
from plp.datasets.skipped import Reason, Tally
from plp.datasets.walk import walk_images
from plp.inference import list_images
from plp.ood.sets import list_ood_set

SUFFIXES = ("jpg", "JPEG", "jpe", "jfif", "png", "avif", "webp", "qoi")
TOOLS = ("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "__MACOSX", ".thumbs")
FORMATS = {"jpe": "JPEG", "jfif": "JPEG", "jpg": "JPEG"}


def write(path: Path, color: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower()[1:]
    Image.new("RGB", (8, 8), (color, 90, 30)).save(path, FORMATS.get(suffix, suffix.upper()))


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    """A folder of photos as people have them."""
    root = tmp_path_factory.mktemp("messy") / "photos"
    for number, name in enumerate(("cat", "dog")):
        for i, suffix in enumerate(SUFFIXES):
            write(root / name / f"{i}.{suffix}", 40 * number + i)
        for tool in TOOLS:
            write(root / name / tool / "thumb.jpg")
        write(root / name / "more" / "later.jpg")
        write(root / name / "masks" / "0.png")
        (root / name / "raw.HEIC").write_bytes(b"x")
        (root / name / "notes.txt").write_text("x")
        (root / name / ".DS_Store").write_bytes(b"x")
        (root / name / "gone.jpg").symlink_to(root / "nowhere.jpg")
    os.mkfifo(root / "cat" / "pipe.jpg")
    (root / "dog" / "all").symlink_to("..", target_is_directory=True)
    write(root / "__odd" / "1.jpg")
    write(root / "__odd" / "2.jpg")
    write(root / "@eaDir" / "3.jpg")
    write(root / "cover.jpg")
    (root / "labels.csv").write_text("x")
    return root


def taken(root: Path) -> set[str]:
    splits = Folder(root).splits()
    return {item.path for item in splits.train + splits.test}


def test_all_is_counted(messy):
    splits = Folder(messy).splits()
    assert splits.class_names == ("cat", "dog", "odd")
    held, left, heif, nested, new = splits.notes
    assert "of 20 images are held out" in held
    for part in (
        "3 files with other suffixes (2 .txt, 1 .csv: ", "2 HEIC images ('cat/raw.HEIC', ",
        "1 image outside the class folders ('cover.jpg')", "11 folders of tools (",
        "2 annotation folders inside folders of images ('cat/masks', 'dog/masks')",
        "4 hidden files or folders ('", "3 links that lead back",
        "1 thing that is not a regular file ('cat/pipe.jpg')",
    ):  # fmt: skip
        assert part in left, part
    assert "install pillow-heif, or convert" in heif
    assert "2 images in folders inside class folders count for their class" in nested
    assert (
        "12 images that earlier versions of plp did not read (2 .avif, 2 .jfif, 2 .jpe, 2 .qoi, "
        in new
    )


def test_train_predict_and_ood_see_the_same_images(messy, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(messy, root, symlinks=True, ignore=lambda *_: ["pipe.jpg"])
    (root / "cover.jpg").unlink()  # of no class
    expected = taken(root)
    assert len(expected) == 20
    listed = [path.relative_to(root).as_posix() for path in list_images([root])]
    assert sorted(listed) == sorted(expected)
    assert {item.path for item in list_ood_set("x", root).items} == expected
    parts = tmp_path / "parts"
    for part in ("train", "test"):
        shutil.copytree(root, parts / part, symlinks=True)
    assert taken(parts) == {f"{part}/{path}" for part in ("train", "test") for path in expected}


def test_predict_counts_what_it_leaves_out(messy):
    tally = Tally()
    assert len(list_images([messy / "cat", f"{messy}/*"], tally)) == 10  # with the cover
    assert tally.suffixes == {".txt": 1, ".csv": 1}
    assert tally.counts[Reason.HEIF] == 1
    assert tally.counts[Reason.UNMATCHED] == 4


def test_ood_notes(messy):
    found = list_ood_set("strange", messy)
    assert any("not read: 3 files with other suffixes" in note for note in found.notes)


def test_a_link_into_another_class_gives_it_no_images(tmp_path):
    for name in ("cat", "dog"):
        for i in range(3):
            write(tmp_path / "data" / name / f"{name}{i}.png")
    write(tmp_path / "store" / "x.png")
    (tmp_path / "data/cat/others").symlink_to("../dog", target_is_directory=True)
    (tmp_path / "data/cat/back").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "data/cat/far").symlink_to(tmp_path / "store", target_is_directory=True)
    splits = Folder(tmp_path / "data").splits()
    cats = {item.path for item in splits.train + splits.test if item.label == 0}
    assert cats == {"cat/cat0.png", "cat/cat1.png", "cat/cat2.png", "cat/far/x.png"}
    assert any("2 links that lead back" in note for note in splits.notes)


def test_a_clean_folder_has_nothing_to_report(tmp_path):
    write(tmp_path / "a" / "1.jpg")
    tally = Tally(tmp_path)
    assert len(list(walk_images(tmp_path, tally))) == 1
    assert tally.notes("x") == ()


def test_folders_beside_the_parts(tmp_path):
    for part in ("train", "test", "extra"):
        for name in "ab":
            write(tmp_path / part / name / "1.jpg", len(part))
    write(tmp_path / "train" / "stray.jpg")
    (note,) = Folder(tmp_path).splits().notes
    assert "1 folder beside the parts (2 images: 'extra')" in note
    assert "1 image outside the class folders ('train/stray.jpg')" in note


def test_names_with_control_characters_are_escaped():
    tally = Tally()
    tally.skip(Reason.SUFFIX, "a\x1b[2J.txt")
    tally.skip(Reason.SUFFIX, "a.t\x1bxt")
    (note,) = tally.notes("x")
    assert "\x1b" not in note
