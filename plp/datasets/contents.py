"""What image files contain, as digests: sizes first, then both ends, whole files last."""

import hashlib
import os
import stat
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from plp.check_cost import checking
from plp.datasets.base import Item
from plp.files import content_digest

END = 4096  # bytes of either end that are read before a whole file is
_THREADS = 8  # a network disk answers many questions at a time
_BATCH = 32  # files a thread reads at a time
_MOST_REMEMBERED = 200_000
_digests: dict[tuple[str, int, int, int, int], str] = {}


class FileState(NamedTuple):
    """What the system says of a file without reading it.

    Attributes:
        size: Bytes.
        place: Device and inode: two names of one place are one file. None where there is no inode.
    """

    size: int
    place: tuple[int, int] | None


def state_of(path: str) -> FileState | None:
    """Return the state of a regular file; None for anything else, and for an empty file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        return None
    return FileState(found.st_size, (found.st_dev, found.st_ino) if found.st_ino else None)


def path_of(root: str | Path, item: Item) -> str:
    """Return the path of an image; much faster than `Path` where there are many."""
    return os.path.join(os.fspath(root), item.path)


def equal_files(paths: Sequence[str]) -> list[list[int]]:
    """Return groups of files with the same content, as positions in the list.

    Few files are read: a size that no other file has decides; among files of one size two names of
    one file are known without reading, then the first and last 4 KB decide, then whole files.

    Args:
        paths: Files. Those that are missing, empty or cannot be read are in no group.

    Returns:
        Groups of two positions or more, in order of their first one.

    Example:
        >>> equal_files([__file__, 'no/such/file', __file__])
        [[0, 2]]
    """
    with checking():
        states = [state_of(path) for path in paths]
        sizes = [state.size if state else 0 for state in states]
        places = [(state.place if state else None) or i for i, state in enumerate(states)]
        groups = _split(_grouped(range(len(paths)), sizes), places, paths, _ends)
        small = [group for group in groups if sizes[group[0]] <= 2 * END]  # the ends are all of it
        large = [group for group in groups if sizes[group[0]] > 2 * END]
        return sorted([*small, *_split(large, places, paths, file_digest)])


def file_digest(path: str) -> str:
    """Return the SHA-256 of a file's bytes; '' if it cannot be read.

    A process reads a file once: cache, identity and comparisons ask for the same images. One whose
    size, times or inode have changed since is read again.
    """
    try:
        found = os.stat(path)
        key = path, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
        if key not in _digests:
            if len(_digests) >= _MOST_REMEMBERED:
                _digests.clear()
            _digests[key] = content_digest(Path(path))
        return _digests[key]
    except (OSError, ValueError):
        return ""


def stamps(root: str | Path, items: Iterable[Item]) -> tuple[str, ...]:
    """Return size and digest of the content of each image, '' for one that cannot be read.

    The digest is the first half of SHA-256: nobody makes two images of one stamp by chance.
    """
    with checking():
        return tuple(in_threads(_stamp, [path_of(root, item) for item in items]))


def with_stamps(known: Iterable[str], paths: Sequence[str]) -> list[bool]:
    """Return for each file whether its content has one of some stamps; other sizes are not read."""
    with checking():
        stamped = frozenset(known) - {""}
        sizes = {one.partition("-")[0] for one in stamped}
        states = [state_of(path) for path in paths]
        asked = [p for p, s in zip(paths, states, strict=True) if s and str(s.size) in sizes]
        found = dict(zip(asked, in_threads(_stamp, asked), strict=True))
        return [found.get(path, "") in stamped for path in paths]


def _split(
    groups: Sequence[list[int]],
    places: Sequence[Hashable],
    paths: Sequence[str],
    read: Callable[[str], str],
) -> list[list[int]]:
    """Divide groups by what is read of their files; a file with several names is read once."""
    several = [group for group in groups if len({places[i] for i in group}) > 1]
    first = {places[i]: i for group in several for i in reversed(group)}
    found = dict(zip(first, in_threads(read, [paths[i] for i in first.values()]), strict=True))
    done = [group for group in groups if len({places[i] for i in group}) == 1]
    for group in several:
        done += _grouped(group, [found[places[i]] for i in group])
    return done


def _grouped(members: Sequence[int], keys: Sequence[Hashable]) -> list[list[int]]:
    """Return those of one key together; without a key, or alone with it, one is left out."""
    groups: dict[Hashable, list[int]] = {}
    for member, key in zip(members, keys, strict=True):
        if key:
            groups.setdefault(key, []).append(member)
    return [group for group in groups.values() if len(group) > 1]


def _ends(path: str) -> str:
    """Return the digest of the first and the last 4 KB; '' if they cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            digest = hashlib.sha256(file.read(END))
            file.seek(max(os.fstat(file.fileno()).st_size - END, 0))
            digest.update(file.read(END))
    except OSError:
        return ""
    return digest.hexdigest()


def _stamp(path: str) -> str:
    found = state_of(path)
    digest = file_digest(path) if found else ""
    return f"{found.size}-{digest[:32]}" if found and digest else ""


def in_threads(read: Callable[[str], str], paths: Sequence[str]) -> list[str]:
    """Read files, a batch of them a task: handing over a task takes as long as a small file."""
    if len(paths) <= _BATCH:
        return [read(path) for path in paths]
    batches = [paths[i : i + _BATCH] for i in range(0, len(paths), _BATCH)]
    with ThreadPoolExecutor(_THREADS) as pool:
        done = pool.map(lambda batch: [read(path) for path in batch], batches)
        return [found for batch in done for found in batch]
