"""Reading files that must be text."""

import json
from pathlib import Path
from typing import Any

from plp.errors import DataError, describe_os_error

_MOST = 2**30  # bytes; a list of all of ImageNet's images has a tenth


def read_text(path: str | Path, most: int = _MOST) -> str:
    """Read a file of UTF-8 text.

    Args:
        path: The file.
        most: Largest size in bytes; a larger one is no such file, and would fill the memory.

    Raises:
        DataError: if it is missing, no regular file, larger, or no text.
    """
    path = Path(path)
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise DataError(f"{str(path)!r} is not a regular file, expected one with text")
        if path.is_file() and (size := path.stat().st_size) > most:
            raise DataError(
                f"{str(path)!r} has {size / 2**20:.0f} MiB, expected a text of "
                f"{most / 2**20:.0f} MiB at most"
            )
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(describe_os_error(error)) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{str(path)!r} is not valid UTF-8: "
            f"byte {error.start} is {error.object[error.start]:#x}"
        ) from error


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: if it is missing, no regular file, or no JSON.
    """
    try:
        return json.loads(read_text(path))
    except (RecursionError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError(f"{str(path)!r} is not JSON: {reason}") from error
