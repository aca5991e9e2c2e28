"""Files: written so that a reader never meets half of one, their digests, plp's own folder."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from plp.temporary import SUFFIX, temporary_beside


def user_cache(folder: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that plp keeps what it can make again in.

    Args:
        folder: The user's choice. None: `$PLP_CACHE_DIR`, else `~/.cache/plp`.
    """
    return Path(folder or os.environ.get("PLP_CACHE_DIR") or "~/.cache/plp").expanduser()


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read a MiB at a time."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_atomically(
    path: str | Path, write: Callable[[Path], None], *, follow: bool = False
) -> Path:
    """Write a file under a temporary name beside `path`, flush it to disk, then rename it.

    A process killed at any moment leaves the old file or the new one, and at worst a temporary file
    that ends in `.tmp`, which the next write in the folder removes. Permissions stay those of the
    file that was there.

    Args:
        path: Final name; its folder is made if it is missing.
        write: Writes the content to the path it is given.
        follow: Where `path` is a link, write the file that it leads to: for a file that the user
            has named. Else the link is replaced, so that no folder of a stranger's can lead a run
            to files outside of it.

    Raises:
        OSError: naming `path`, if it cannot be written; what was there is left as it was.
    """
    path = Path(path)
    try:
        if follow or not path.is_symlink():
            check_is_file_place(path)
        _write(Path(os.path.realpath(path)) if follow else path, write)
    except OSError as error:
        ours = error.filename is None or str(error.filename).endswith(SUFFIX)
        if error.errno is None or not ours:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    return path


def _write(path: Path, write: Callable[[Path], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_beside(path) as temporary:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if path.exists() and not path.is_symlink():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)


def write_text(path: str | Path, text: str, *, follow: bool = False) -> Path:
    r"""Write UTF-8 text atomically; a byte of a file name that is no text is written as \udcXX."""
    return write_atomically(path, lambda temporary: _write_text(temporary, text), follow=follow)


def write_bytes(path: str | Path, content: bytes, *, follow: bool = False) -> Path:
    """Write bytes atomically; a full disk is then Python's to tell, in an OSError."""
    return write_atomically(path, lambda temporary: _write_bytes(temporary, content), follow=follow)


def check_is_file_place(path: Path) -> None:
    """Refuse what a file cannot take the place of: a folder, a device, a pipe, a loop of links.

    Raises:
        OSError: if one of them is there.
    """
    if path.is_dir():
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    if os.path.islink(os.path.realpath(path)):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)
