"""Digests of image files, remembered so that each file is read once and not at every comparison."""

import contextlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from plp.check_cost import checking
from plp.checksums import DIGEST, json_digest
from plp.files import content_digest, user_cache, write_text

_THREADS = 8
_TAB = "\t"


class Contents:
    """Digests of files; one that the system says is as it was is not read again.

    As it was: path, size, time of change, time of its inode's change, inode. The second time is the
    system's own, so that a file put there with the old time of change (`cp -p`, `rsync -t`, `touch
    -r`) is noticed, too. `read_all` trusts none of it.

    What is known stands in `image_digests.json` of the user's cache, once it is saved. It is a
    memory and no more: of two processes that write it at once the later one wins, and where nothing
    can be written files are read anew.

    Args:
        folder: Where it stands. None: `$PLP_CACHE_DIR`, else `~/.cache/plp`.
        read_all: Read every file, whatever is known.
    """

    def __init__(self, folder: Path | None = None, read_all: bool = False) -> None:
        self._read_all = read_all
        self._file = (folder or user_cache()) / "image_digests.json"
        self._known: dict[str, str] | None = None  # by path and what `_state` adds
        self._now: dict[Path, str] = {}
        self._learned = False

    def of(self, paths: Iterable[Path]) -> list[str]:
        """Return the digest of each file; '' for one that cannot be read, as the run will tell."""
        paths = list(paths)
        unseen = list(dict.fromkeys(path for path in paths if path not in self._now))
        states = {path: _state(path) for path in unseen}
        known = self._read() if unseen else {}
        unread = [
            path
            for path, state in states.items()
            if state and (self._read_all or state not in known)
        ]
        with checking(), ThreadPoolExecutor(_THREADS) as pool:
            found = dict(zip(unread, pool.map(_digest, unread), strict=True))
        for path, state in states.items():
            self._now[path] = found[path] if path in found else known.get(state, "")
        new = {states[path]: digest for path, digest in found.items() if digest}
        known |= new
        self._learned |= bool(new)
        return [self._now[path] for path in paths]

    def save(self) -> None:
        """Write down what was learned, if anything was."""
        if self._learned:
            with contextlib.suppress(OSError):
                known = self._read()
                write_text(self._file, json.dumps({**known, DIGEST: json_digest(known)}))
            self._learned = False

    def _read(self) -> dict[str, str]:
        if self._known is None:
            try:
                found = json.loads(self._file.read_text(encoding="utf-8"))
                # An older plp wrote no digest of it all, and knew no inode: read anew.
                whole = isinstance(found, dict) and found.get(DIGEST) == json_digest(found)
                self._known = {k: v for k, v in found.items() if _TAB in k} if whole else {}
            except (OSError, ValueError, RecursionError):  # none yet, or damaged
                self._known = {}
        return self._known


def _state(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return ""
    numbers = found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
    return _TAB.join([os.path.abspath(path), *map(str, numbers)])


def _digest(path: Path) -> str:
    try:
        return content_digest(path)
    except OSError:
        return ""
