"""Claims on keys: of processes that want the same thing made, one makes it."""

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import final

try:
    import fcntl
except ImportError:  # no POSIX system
    fcntl = None  # type: ignore[assignment]


@final
class Claims:
    """Keys that this process is making, which other processes leave to it meanwhile.

    A claim is a lock on one byte of an empty file, at a place that follows from the key. The system
    gives it up when the process ends, however it ends. It is a lock of `fcntl`, not of `flock`: the
    latter covers the whole file, and outlives a killed process in the children it had forked.

    Claims are the process's. Its own threads are never refused, and make a key twice at worst.

    Where nothing can be locked (no POSIX system, a file system without locks, a file of somebody
    else's) every claim is granted, and a key may be made twice.

    Args:
        file: The file, in a folder that is there, or a descriptor of it, which is then closed here;
            None grants every claim.

    Example:
        >>> import tempfile
        >>> with Claims(Path(tempfile.mkdtemp()) / 'claims.lock') as claims:
        ...     claims.take('x'), claims.take('x')
        (True, True)
    """

    def __init__(self, file: Path | int | None) -> None:
        self._file: int | None = None
        if isinstance(file, int):
            self._file = file
        elif fcntl is not None and file is not None:
            try:
                self._file = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError:
                return

    @property
    def is_locking(self) -> bool:
        """Whether claims are locks; where nothing can be locked every one is granted."""
        return self._file is not None and fcntl is not None

    def __enter__(self) -> "Claims":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give all claims back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def take(self, key: str) -> bool:
        """Claim a key; False if another process has it now. Never waits."""
        if self._file is None or fcntl is None:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, by the system
            return False
        except OSError:  # a file system without locks
            self.close()
        return True

    def give_back(self, keys: Iterable[str]) -> None:
        """Let others have keys again."""
        for key in keys:
            if self._file is not None and fcntl is not None:
                with contextlib.suppress(OSError):
                    fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(key))


def _place(key: str) -> int:
    """Return the place of a key's byte: 62 bits, which the offset of a file can have."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 2
