"""Files, folders and patterns."""

import pytest

from plp.errors import DataError
from plp.inference import list_images


@pytest.fixture
def tree(tmp_path):
    for name in ("a/2.jpg", "a/1.PNG", "a/notes.txt", "b c/ü.webp", ".hidden/3.jpg", "a/.4.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    return tmp_path


def found(tree, *sources):
    return [path.relative_to(tree).as_posix() for path in list_images(sources)]


def test_folders_give_their_images_sorted_and_once(tree):
    assert found(tree, tree) == ["a/1.PNG", "a/2.jpg", "b c/ü.webp"]


def test_patterns(tree):
    assert found(tree, f"{tree}/*/*.jpg") == ["a/2.jpg"]
    assert found(tree, f"{tree}/b*/**/*.webp") == ["b c/ü.webp"]


def test_order_is_that_of_the_question_and_nothing_comes_twice(tree):
    assert found(tree, tree / "b c", tree / "a" / "2.jpg", tree) == [
        "b c/ü.webp", "a/2.jpg", "a/1.PNG",
    ]  # fmt: skip


def test_files_are_taken_as_they_are(tree):
    assert found(tree, tree / "a/notes.txt", tree / "missing.jpg") == ["a/notes.txt", "missing.jpg"]


def test_a_file_with_a_pattern_for_a_name(tree):
    (tree / "[1].jpg").touch()
    assert found(tree, tree / "[1].jpg") == ["[1].jpg"]


def test_nothing_is_named(tree):
    (tree / "empty").mkdir()
    with pytest.raises(DataError, match=r"no image in the folder .*empty"):
        list_images([tree / "empty"])
    with pytest.raises(DataError, match=r"no file matches the pattern .*\.tif"):
        list_images([f"{tree}/*.tif"])
    with pytest.raises(DataError, match="got none"):
        list_images([])
