"""Temporary files beside their final place, and what writers that died have left of them.

A writer holds a lock (`flock`) on its temporary file for as long as it lives; the system gives the
lock up when the process ends, however it ends. A temporary file that can be locked is therefore
nobody's any more, whatever its age, and whichever process or machine made it.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # no POSIX system
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".tmp"
_LONGEST = 40  # characters of the name: four bytes each, beside the token, fit every file system
_TOKEN = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}(?P<plp>\.plp)?\.tmp", re.DOTALL)


@contextlib.contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Make an empty file beside `path`, locked for as long as the block lasts.

    It is removed behind the block, unless it was renamed; and what dead writers have left in the
    folder is removed first.

    Args:
        path: The final place; its folder must be there.

    Raises:
        OSError: if no file can be made there.
    """
    remove_left_behind(path)
    temporary, file = _made(path)
    try:
        yield temporary
    finally:
        os.close(file)
        temporary.unlink(missing_ok=True)


def remove_left_behind(path: Path) -> int:
    """Remove the temporary files of dead writers; return how many there were.

    Those that the name says are plp's, of any file in the folder; and those that an older plp began
    for this very file. Where nothing can be locked, or they are somebody else's, they stay.

    Args:
        path: The file that is to be written.
    """
    try:
        names = [name for name in os.listdir(path.parent) if name.endswith(SUFFIX)]
    except OSError:
        return 0
    found = ((path.with_name(name), _TOKEN.fullmatch(name)) for name in names)
    ours = [one for one, match in found if match and (match["plp"] or _is_of(match["name"], path))]
    return sum(map(_removed, ours))


def _is_of(name: str, path: Path) -> bool:
    return name == path.name[:_LONGEST]


def _made(path: Path) -> tuple[Path, int]:
    while True:
        token = f"{secrets.token_hex(8)}.plp{SUFFIX}"
        temporary = path.with_name(f".{path.name[:_LONGEST]}.{token}")
        file = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        _lock(file)
        if os.fstat(file).st_nlink:  # else another took it for left behind, before it was locked
            return temporary, file
        os.close(file)


def _lock(file: int) -> None:
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)


def _removed(temporary: Path) -> bool:
    """Remove a file if no living process has it locked."""
    if fcntl is None:
        return False
    try:
        file = os.open(temporary, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | os.O_NONBLOCK)
    except OSError:  # gone, a link, somebody else's
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(temporary)
    except OSError:  # a living writer's, or nothing can be locked here
        return False
    finally:
        os.close(file)
    return True
