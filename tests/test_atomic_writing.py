"""Atomic writing: what a file was stays what it is."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from plp.files import write_bytes, write_text


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_permissions_stay(tmp_path, mode):
    path = tmp_path / "result.json"
    path.write_text("old")
    path.chmod(mode)
    write_text(path, "new")
    assert path.read_text() == "new"
    assert mode_of(path) == mode
    assert [one.name for one in tmp_path.iterdir()] == ["result.json"]


def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "new", b"x")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "new") == 0o640


def test_many_threads_write_one_file(tmp_path):
    texts = [str(i) * 1000 for i in range(8)]
    threads = [threading.Thread(target=write_text, args=(tmp_path / "x", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "x").read_text() in texts
    assert [one.name for one in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("target", ["outside/kept.txt", "gone.txt", "outside"])
def test_a_link_is_replaced_and_not_followed(tmp_path, target):
    (tmp_path / "outside").mkdir()
    kept = tmp_path / "outside" / "kept.txt"
    kept.write_text("mine")
    work = tmp_path / "work"
    work.mkdir()
    (work / "result.json").symlink_to(tmp_path / target)
    write_text(work / "result.json", "new")
    assert not (work / "result.json").is_symlink()
    assert (work / "result.json").read_text() == "new"
    assert kept.read_text() == "mine"
    assert sorted(one.name for one in tmp_path.rglob("*")) == [
        "kept.txt", "outside", "result.json", "work",
    ]  # fmt: skip


def test_a_link_that_the_user_names_is_followed(tmp_path):
    (tmp_path / "there.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("there.csv")
    write_text(tmp_path / "link.csv", "new", follow=True)
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "there.csv").read_text() == "new"


WRITER = """
import os, sys
from plp.files import write_atomically
def write(temporary):
    temporary.write_text("half")
    print("begun", flush=True)
    sys.stdin.read()
write_atomically(sys.argv[1], write)
"""


@pytest.fixture
def writer(tmp_path):
    """Another process in the midst of writing `state.pth`; killed at the end."""
    argv = [sys.executable, "-c", WRITER, str(tmp_path / "state.pth")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begun\n"
        yield process
        process.kill()


def test_what_a_dead_writer_left_is_removed_by_the_next_write(tmp_path, writer):
    (left,) = tmp_path.glob(".state.pth.*.tmp")
    write_text(tmp_path / "result.json", "while it lives")
    assert left.read_text() == "half"
    writer.kill()
    writer.wait()
    write_text(tmp_path / "result.json", "when it is dead")  # a write of another file will do
    assert [one.name for one in tmp_path.iterdir()] == ["result.json"]


def test_a_living_writer_ends_as_if_nobody_else_had_written(tmp_path, writer):
    write_text(tmp_path / "state.pth", "another's")
    writer.stdin.close()
    assert writer.wait() == 0
    assert (tmp_path / "state.pth").read_text() == "half"
    assert [one.name for one in tmp_path.iterdir()] == ["state.pth"]


def test_of_other_programs_nothing_is_removed(tmp_path):
    kept = [
        ".notes.0123456789abcdef.tmp", "result.json.tmp", ".result.json.tmp", ".result.json.x1.tmp",
        ".other.json.0123456789abcdef.tmp",
    ]  # fmt: skip
    for name in (*kept, ".result.json.0123456789abcdef.tmp"):  # the last of an older plp
        (tmp_path / name).write_text("x")
    (tmp_path / f".link.{'0' * 16}.plp.tmp").symlink_to("result.json.tmp")
    write_text(tmp_path / "result.json", "new")
    names = {one.name for one in tmp_path.iterdir()}
    assert names == {*kept, "result.json", f".link.{'0' * 16}.plp.tmp"}
