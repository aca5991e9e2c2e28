"""Places to write to, looked at before anything is computed for them."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from plp.errors import ConfigError, describe_os_error
from plp.files import check_is_file_place


def check_file_target(path: str | Path, flag: str) -> Path:
    """Refuse a place where no file can be written, before anything is computed for it.

    Args:
        path: Where a file is to be.
        flag: What it was given to, for the message.

    Raises:
        ConfigError: if it cannot be written, and why.
    """
    path = Path(path)
    with _telling(path, flag, "file"):
        check_is_file_place(path)
        _check_name(path)
        _check_can_make(Path(os.path.realpath(path)).parent)
    return path


def check_folder_target(path: str | Path, flag: str) -> Path:
    """Refuse a place where no folder can be, or none that files can be written to; it may be there.

    Args and Raises are those of `check_file_target`.
    """
    path = Path(path)
    with _telling(path, flag, "folder"):
        _check_name(path)
        _check_can_make(path)
    return path


@contextlib.contextmanager
def _telling(path: Path, flag: str, kind: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{flag}: cannot write a {kind} to {_place(path, error)}") from error


def _place(path: Path, error: OSError) -> str:
    said = describe_os_error(error)
    own = f"{str(path)!r}: "
    return said if said.startswith(own) else own + said


def _check_name(path: Path) -> None:
    """Refuse names that are too long, by a look at them."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return


def _check_can_make(folder: Path) -> None:
    """Refuse a folder that is not there and cannot be made, or that cannot be written."""
    if folder.is_symlink() and not folder.exists():
        loop = os.path.islink(os.path.realpath(folder))
        kind = errno.ELOOP if loop else errno.ENOENT
        raise OSError(kind, os.strerror(kind), str(folder))
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    effective = os.access in os.supports_effective_ids
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=effective):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
