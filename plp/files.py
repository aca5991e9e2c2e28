"""Files: written so that a reader never meets half of one, their digests, plp's own folder."""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

_TEMPORARY = ".tmp"


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


def write_atomically(path: str | Path, write: Callable[[Path], None]) -> Path:
    """Write a file under a temporary name beside `path`, flush it to disk, then rename it.

    A process killed at any moment leaves the old file or the new one, and at worst a stray
    temporary file that ends in `.tmp`. Where `path` is a link, the file it leads to is written.
    Permissions stay those of the file that was there.

    Args:
        path: Final name; its folder is made if it is missing.
        write: Writes the content to the path it is given.

    Raises:
        OSError: naming `path`, if it cannot be written; what was there is left as it was.
    """
    path = Path(path)
    try:
        check_is_file_place(path)
        _write(Path(os.path.realpath(path)), write)
    except OSError as error:
        ours = error.filename is None or str(error.filename).endswith(_TEMPORARY)
        if error.errno is None or not ours:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    return path


def _write(path: Path, write: Callable[[Path], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of a name of any length, in four bytes a character.
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}{_TEMPORARY}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: str | Path, text: str) -> Path:
    r"""Write UTF-8 text atomically; a byte of a file name that is no text is written as \udcXX."""
    return write_atomically(path, lambda temporary: _write_text(temporary, text))


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write bytes atomically; a full disk is then Python's to tell, in an OSError."""
    return write_atomically(path, lambda temporary: _write_bytes(temporary, content))


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
