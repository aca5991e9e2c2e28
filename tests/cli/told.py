"""Whether a command took a bad input as it should: the rules, and what they are applied to."""

import contextlib
import errno
import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from plp.cli import main as door
from plp.printable import lines_without_controls, printable

REFUSED, STOPPED = 2, 130
_NOBODY = 65534
_CLASS = re.compile(r"\b(?:[a-z_]+\.)*[A-Z]\w*(?:Error|Exception|Interrupt)\b|\[Errno|Errno \d")
_MESSAGE = re.compile(r"^(?:plp [\w ]+: )?error: ", re.MULTILINE)
_SHORTEST = 25  # characters of a message that says what came and what to do


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """What stands behind `error: `."""
        return self.err.rpartition("error: ")[2]


def run(name: str, argv: Sequence[object], capsys, forbidden: bool = False) -> Ended:
    """Run a command as `plp NAME ...` does; whatever else than an exit leaves it is a failure."""
    capsys.readouterr()
    with as_nobody() if forbidden else contextlib.nullcontext():
        try:
            status = door.run(name, [str(argument) for argument in argv])
        except SystemExit as ended:  # of argparse, or with a status of the tool's own
            status = ended.code
    return Ended(status, *capsys.readouterr())


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's right to pass over permission bits."""
    if os.geteuid():
        yield
        return
    os.seteuid(_NOBODY)
    try:
        if not os.access(__file__, os.R_OK, effective_ids=True):  # a checkout in root's home
            pytest.skip("needs a checkout that other users can read, to run as one of them")
        yield
    finally:
        os.seteuid(0)


def look(*folders: Path) -> dict[str, object]:
    """Return what lies below some folders: kind and content of every entry, by path."""
    found: dict[str, object] = {}
    for folder in folders:
        for place, inner, files in os.walk(folder):
            found |= {os.path.join(place, name): _entry(os.path.join(place, name))
                      for name in (*inner, *files)}  # fmt: skip
    return found


def _entry(path: str) -> object:
    about = os.lstat(path)
    if stat.S_ISLNK(about.st_mode):
        return "link", os.readlink(path)
    if stat.S_ISDIR(about.st_mode):
        return "folder"
    if not stat.S_ISREG(about.st_mode):
        return stat.S_IFMT(about.st_mode)
    if about.st_size > 2**20:
        return about.st_size, about.st_mtime_ns
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def check_told(
    ended: Ended, needles: Collection[str] = (), users_code: bool = False, status: int = REFUSED
) -> None:
    """Check that a command refused its input in one message that says what came.

    A command that reports what it finds, and so ends with another status, must say it in its
    report.

    Args:
        ended: How it ended.
        needles: What the message must name: one of the spellings of each.
        users_code: Whether what was read is the user's code (a config), whose errors have classes.
        status: What it must end with.
    """
    shown = f"status {ended.status}\n--- stdout\n{ended.out}\n--- stderr\n{ended.err}"
    assert "Traceback" not in ended.out + ended.err, shown
    assert "Logging error" not in ended.out + ended.err, shown
    refused = ended.status == REFUSED
    assert ended.status == status or refused, shown
    assert len(_MESSAGE.findall(ended.err)) == (1 if refused else 0), shown
    message = ended.message.strip() if refused else ended.out
    assert len(message) >= _SHORTEST, shown
    assert users_code or not _CLASS.search(message), shown
    for needle in needles:
        assert any(spelling in message for spelling in spellings(needle)), (needle, shown)


def spellings(text: str) -> tuple[str, ...]:
    """Return how a message may write a text: as it is, as Python quotes it, or escaped."""
    escaped = printable(text), lines_without_controls(text)
    return text, repr(text)[1:-1], text.encode("utf-8", "backslashreplace").decode(), *escaped


def check_nothing_written(
    before: Mapping[str, object], after: Mapping[str, object], may_make: Collection[Path] = ()
) -> None:
    """Check that nothing of before is gone or changed, and that nothing is new.

    Args:
        before: From `look`.
        after: From `look`, after the command.
        may_make: Folders that may be there now, empty.
    """
    changed = [path for path, entry in before.items() if after.get(path, "gone") != entry]
    assert not changed, f"changed or gone: {changed}"
    folders = {str(path) for path in may_make}
    new = [path for path in after if path not in before and
           not (path in folders and after[path] == "folder")]  # fmt: skip
    assert not new, f"left behind: {new}"


def full_disk_error(path: str) -> OSError:
    """Return the error of a disk without room."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
