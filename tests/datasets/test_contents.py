"""Files of the same content are found, and few files are read for it."""

import os
from collections import Counter
from pathlib import Path

import pytest

from plp.datasets import contents
from plp.datasets.base import Item
from plp.datasets.contents import END, equal_files, file_digest, stamps, with_stamps
from plp.files import content_digest

KINDS = {
    "sizes": lambda i: b"x" * (100 + i),
    "beginnings": lambda i: bytes([i]) + b"x" * 50_000,
    "ends": lambda i: b"x" * 50_000 + bytes([i]),
    "middles": lambda i: b"x" * 25_000 + bytes([i]) + b"x" * 25_000,
    "just beyond the ends": lambda i: b"x" * END + bytes([i]) + b"x" * END,
    "small": lambda i: bytes([i]) * 10,
}


@pytest.fixture
def read(monkeypatch):
    """Count by name what is read of files: their ends, or all of them."""
    counts = {"_ends": Counter(), "file_digest": Counter()}
    for name, count in counts.items():
        monkeypatch.setattr(contents, name, counting(getattr(contents, name), count))
    return counts


def counting(function, count):
    def counted(path):
        count[os.path.basename(path)] += 1
        return function(path)

    return counted


def write(folder, *files):
    paths = []
    for i, content in enumerate(files):
        paths.append(str(folder / f"{i}.jpg"))
        (folder / f"{i}.jpg").write_bytes(content)
    return paths


@pytest.mark.parametrize("kind", KINDS)
def test_groups_are_those_of_equal_bytes(kind, tmp_path):
    which = [0, 1, 2, 1, 3, 0, 0]
    paths = write(tmp_path, *(KINDS[kind](i) for i in which))
    assert equal_files(paths) == [[0, 5, 6], [1, 3]]
    assert equal_files(paths[1:3]) == []


def test_many_files_are_as_few(tmp_path):
    paths = write(tmp_path, *(i.to_bytes(2, "big") * 5 for i in [*range(150), *range(0, 150, 7)]))
    assert equal_files(paths) == [[7 * k, 150 + k] for k in range(22)]


def test_files_of_their_own_size_are_not_read(tmp_path, read):
    equal_files(write(tmp_path, *(KINDS["sizes"](i) for i in range(40))))
    assert not read["_ends"]
    assert not read["file_digest"]


def test_whole_files_are_read_only_where_the_ends_are_the_same(tmp_path, read):
    files = [KINDS["beginnings"](0), KINDS["beginnings"](1), KINDS["middles"](0)]
    same = KINDS["middles"](1)
    equal_files(write(tmp_path, *files, same[:25_000] + b"z" + same[25_001:], b"y" * 7))
    assert sorted(read["_ends"]) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert sorted(read["file_digest"]) == ["2.jpg", "3.jpg"]


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_two_names_of_a_file_are_known_without_reading(link, tmp_path, read):
    (path,) = write(tmp_path, b"x" * 50_000)
    link(path, tmp_path / "other.jpg")
    assert equal_files([path, str(tmp_path / "other.jpg"), path]) == [[0, 1, 2]]
    assert not read["_ends"]


def test_a_file_in_a_linked_folder_is_the_same(tmp_path):
    (tmp_path / "a").mkdir()
    write(tmp_path / "a", b"x" * 10)
    (tmp_path / "b").symlink_to("a")
    assert equal_files([f"{tmp_path}/a/0.jpg", f"{tmp_path}/b/0.jpg"]) == [[0, 1]]


def test_what_is_no_file_has_no_content(tmp_path):
    paths = write(tmp_path, b"", b"", b"x")
    assert equal_files([*paths, str(tmp_path), str(tmp_path), "gone", "gone", "bad\0name"]) == []
    assert stamps(tmp_path, [Item("0.jpg", 0), Item("gone", 0)]) == ("", "")
    assert with_stamps(["", "1-f"], ["gone", *paths]) == [False] * 4


def test_stamps_are_of_contents(tmp_path):
    paths = write(tmp_path, b"x" * 9, b"y" * 9, b"x" * 9)
    one, other, again = stamps(tmp_path, [Item(f"{i}.jpg", 0) for i in range(3)])
    assert one == again != other
    assert one.startswith("9-")
    assert with_stamps([other], paths) == [False, True, False]


def test_files_of_other_sizes_are_not_read_for_stamps(tmp_path, read):
    paths = write(tmp_path, b"x" * 9, b"y" * 8)
    (known,) = stamps(tmp_path, [Item("0.jpg", 0)])
    read["file_digest"].clear()
    assert with_stamps([known], paths) == [True, False]
    assert read["file_digest"] == {"0.jpg": 1}


def test_a_file_is_read_once_and_again_when_it_changes(tmp_path, monkeypatch):
    (path,) = write(tmp_path, b"x" * 9)
    names = []
    digest = contents.content_digest
    monkeypatch.setattr(contents, "content_digest", lambda p: names.append(p.name) or digest(p))
    first = file_digest(path)
    assert (first, file_digest(path), names) == (content_digest(Path(path)), first, ["0.jpg"])
    state = os.stat(path)
    write(tmp_path, b"z" * 9)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert file_digest(path) == content_digest(Path(path)) != first
    assert file_digest(str(tmp_path / "gone")) == ""


def test_what_is_remembered_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "_MOST_REMEMBERED", 2)
    monkeypatch.setattr(contents, "_digests", {})
    paths = write(tmp_path, b"a", b"b", b"c", b"d", b"e")
    assert [file_digest(path) for path in paths] == [content_digest(Path(p)) for p in paths]
    assert len(contents._digests) <= 2
