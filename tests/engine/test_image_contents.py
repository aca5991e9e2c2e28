"""Digests of images: of what stands in them, and read once."""

import json
import os

import pytest

from plp.checksums import json_digest
from plp.files import content_digest
from plp.sweeps.compare import contents
from plp.sweeps.compare.contents import Contents


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]) * 10)
    return paths


@pytest.fixture
def read(monkeypatch):
    """Names of the files that were read, in any order."""
    names = []

    def counted(path):
        names.append(path.name)
        return content_digest(path)

    monkeypatch.setattr(contents, "content_digest", counted)
    return names


def test_digests_are_those_of_the_files_in_their_order(files, tmp_path):
    wanted = [content_digest(path) for path in files]
    assert Contents(tmp_path / "cache").of(files) == wanted
    assert Contents(tmp_path / "cache").of([files[2], files[0], files[2]]) == [
        wanted[2], wanted[0], wanted[2],
    ]  # fmt: skip


def test_a_file_is_read_once(files, tmp_path, read):
    first = Contents(tmp_path / "cache")
    first.of([*files, *files])
    assert sorted(read) == ["0.png", "1.png", "2.png"]
    assert not (tmp_path / "cache").exists(), "a command that is refused leaves nothing behind"
    first.save()
    again = Contents(tmp_path / "cache")
    again.of(files)
    again.of(files)
    assert len(read) == 3


def test_a_file_that_changed_is_read_again(files, tmp_path, read):
    first = Contents(tmp_path / "cache")
    before = first.of(files)
    first.save()
    state = files[1].stat()
    files[1].write_bytes(b"y" * 10)
    os.utime(files[1], ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    after = Contents(tmp_path / "cache").of(files)
    assert read[3:] == ["1.png"]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_a_file_that_is_not_there_and_comes(files, tmp_path):
    missing = tmp_path / "new.png"
    assert Contents(tmp_path / "cache").of([missing]) == [""]
    missing.write_bytes(b"x")
    assert Contents(tmp_path / "cache").of([missing]) == [content_digest(missing)]


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"{", b"\xff"])
def test_a_damaged_memory_is_forgotten(files, tmp_path, content):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "image_digests.json").write_bytes(content)
    assert Contents(cache).of(files) == [content_digest(path) for path in files]


def test_no_place_to_remember(files, tmp_path):
    (tmp_path / "cache").write_text("a file")
    found = Contents(tmp_path / "cache")
    assert found.of(files) == [content_digest(path) for path in files]
    found.save()


def put_back_time(path, before):
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rewritten(path):
    """The file itself with another content: its inode stays."""
    before = path.stat()
    path.write_bytes(b"z" * before.st_size)
    put_back_time(path, before)


def renamed_into_place(path):
    """Another file under its name, as `cp -p` and `rsync -t` leave it."""
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"z" * before.st_size)
    put_back_time(other, before)
    os.replace(other, path)


@pytest.mark.parametrize("change", [rewritten, renamed_into_place])
def test_a_change_that_keeps_size_and_time_is_noticed(files, tmp_path, change):
    first = Contents(tmp_path / "cache")
    before = first.of(files)
    first.save()
    change(files[1])
    after = Contents(tmp_path / "cache").of(files)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_everything_is_read_when_asked(files, tmp_path, read):
    first = Contents(tmp_path / "cache")
    digests = first.of(files)
    first.save()
    known = json.loads((tmp_path / "cache/image_digests.json").read_text())
    wrong = dict.fromkeys((state for state in known if state != "digest"), "wrong")
    whole = wrong | {"digest": json_digest(wrong)}
    (tmp_path / "cache/image_digests.json").write_text(json.dumps(whole))
    assert Contents(tmp_path / "cache").of(files) == ["wrong"] * 3
    again = Contents(tmp_path / "cache", read_all=True)
    assert again.of(files) == digests
    assert again.of(files) == digests
    assert len(read) == 6
    again.save()
    assert Contents(tmp_path / "cache").of(files) == digests


def test_a_flipped_bit_of_the_memory_is_noticed(files, tmp_path):
    first = Contents(tmp_path / "cache")
    digests = first.of(files)
    first.save()
    path = tmp_path / "cache/image_digests.json"
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 7):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        assert Contents(tmp_path / "cache").of(files) == digests


def test_entries_of_an_older_plp_are_not_trusted(files, tmp_path):
    state = files[0].stat()
    old = {f"{files[0]} {state.st_size} {state.st_mtime_ns}": "old"}
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/image_digests.json").write_text(json.dumps(old))
    found = Contents(tmp_path / "cache")
    assert found.of(files[:1]) == [content_digest(files[0])]
    found.save()
    known = json.loads((tmp_path / "cache/image_digests.json").read_text())
    assert list(known.values())[:-1] == [content_digest(files[0])]
