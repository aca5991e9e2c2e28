"""One writer in a folder, for as long as it lives."""

import contextlib
import errno
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import final

from plp.datasets.claims import Claims
from plp.errors import ConfigError

LOCK = ".lock"

logger = logging.getLogger("plp")

_here: set[tuple[int, int]] = set()  # folders that this process has, which no lock keeps from it
_guard = threading.Lock()


@final
class FolderLock:
    """The right to write to a folder, which one process has at a time.

    It is a lock of the system's (see `Claims`) on the file `.lock` in the folder: it ends with the
    process, however that ends, and a file left behind by a kill keeps nobody out. What it made, the
    file and folders that are still empty, is removed in the end, so that a run that could not begin
    leaves nothing.

    Where nothing can be locked everybody gets it, and a warning says so.

    Args:
        folder: The folder; it is made.
        what: What writes there, for the warning: 'run', 'comparison'.
    """

    def __init__(self, folder: Path, what: str) -> None:
        self.folder = folder
        self._what = what
        self._made: list[Path] = []
        self._key: tuple[int, int] | None = None
        self._claims: Claims
        self._file = -1

    def take(self) -> bool:
        """Take it; False where another has it, in this process or in another."""
        with _guard:
            while True:
                self._made += _make(self.folder)
                try:
                    key = _identity(self.folder)
                    # Looked at first: closing a second descriptor would give the first one's up.
                    return key not in _here and self._lock(key)
                except FileNotFoundError:  # who had it has just removed what it made
                    continue

    def give_back(self) -> None:
        """Let others have it."""
        if self._key is None:
            return
        with _guard:
            path = self.folder / LOCK
            with contextlib.suppress(OSError):
                if _is_at(self._file, path):
                    path.unlink()
            self._claims.close()
            _here.discard(self._key)
            self._key = None
        with contextlib.suppress(OSError):  # one of them is not empty
            for folder in self._made:
                folder.rmdir()

    def _lock(self, key: tuple[int, int]) -> bool:
        path = self.folder / LOCK
        file = _open(path)
        claims = Claims(file)
        if not claims.take("writer"):
            claims.close()
            return False
        if file is not None and claims.is_locking and not _is_at(file, path):
            claims.close()
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        if not claims.is_locking:
            logger.warning("%s cannot be locked: start no second %s in it", self.folder, self._what)
            if file is not None:  # else it is somebody else's
                with contextlib.suppress(OSError):
                    path.unlink()
        self._claims, self._file, self._key = claims, -1 if file is None else file, key
        _here.add(key)
        return True


@contextlib.contextmanager
def only_writer(folder: Path, what: str, flag: str) -> Iterator[None]:
    """Keep others of a kind out of a folder until this ends.

    Args:
        folder: The folder; it is made.
        what: What writes there: 'run', 'comparison'.
        flag: The flag that names another folder.

    Raises:
        ConfigError: if one is there already.
    """
    lock = FolderLock(folder, what)
    if not lock.take():
        raise busy(folder, what, flag)
    try:
        yield
    finally:
        lock.give_back()


def busy(folder: Path, what: str, flag: str) -> ConfigError:
    """Return the error of a folder that another writes to."""
    return ConfigError(
        f"another {what} is running in {str(folder)!r}: wait for it, or give another {flag}"
    )


def _make(folder: Path) -> list[Path]:
    """Make a folder; return those that were not there, the innermost first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    if missing:
        missing[0].mkdir(parents=True, exist_ok=True)
    return missing


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _open(path: Path) -> int | None:
    """Open the file that is locked; None for one of somebody else's. A link is replaced."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        return os.open(path, flags, 0o666)
    except PermissionError:
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    path.unlink()
    return os.open(path, flags, 0o666)


def _is_at(file: int, path: Path) -> bool:
    """Whether a file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file), path.stat(follow_symlinks=False))
    except OSError:
        return False
