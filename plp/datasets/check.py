"""Whether a data set is where plp looks for it, and whole."""

import os
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from plp.datasets.base import Item, Splits, some
from plp.datasets.benchmarks import BENCHMARKS, Benchmark
from plp.datasets.build import build_source
from plp.datasets.images import find_unreadable
from plp.datasets.ood_benchmarks import OOD_BENCHMARKS, find_ood_folder
from plp.datasets.published_lists import NOT_COMPARABLE, list_digest
from plp.datasets.walk import walk_images
from plp.errors import DataError, UnknownComponentError

MOST_NAMED = 10  # missing files
PARTS = ("train", "val", "test")


class Found(Enum):
    """What there is of a data set."""

    WHOLE = "ok"
    OTHER = "not the published one"
    BROKEN = "files missing"
    NOTHING = "not found"


class Check(NamedTuple):
    """What was found of a data set.

    Attributes:
        name: Its name.
        found: How it stands.
        counts: Images by part; of an out-of-distribution set, `images`.
        problem: What is wrong and what to do; '' if nothing is.
        details: Further lines.
    """

    name: str
    found: Found
    counts: dict[str, int]
    problem: str = ""
    details: tuple[str, ...] = ()


def check_benchmark(name: str, root: str | Path, read: bool = False) -> Check:
    """Look at one of the field's data sets.

    Args:
        name: As `--dataset` or `--ood` takes it.
        root: The data root.
        read: Decode every image too.

    Raises:
        UnknownComponentError: for another name, with the known ones.
    """
    if name in OOD_BENCHMARKS:
        return _check_ood(name, root, read)
    if name not in BENCHMARKS:
        known = ", ".join([*BENCHMARKS, *OOD_BENCHMARKS])
        raise UnknownComponentError(f"expected a data set among {known}, got {name!r}")
    try:
        splits = build_source(name, root).splits()
    except DataError as error:
        facts = BENCHMARKS[name]
        there = (Path(root) / facts.folder).is_dir()
        problem = str(error)
        if not (Path(root) / facts.folder / facts.images).is_dir():
            problem += f"\n{how_to_get(facts)}"
        return Check(name, Found.BROKEN if there else Found.NOTHING, {}, problem)
    counts = {part: len(getattr(splits, part)) for part in PARTS}
    details: tuple[str, ...] = (
        f"images: {splits.root}",
        f"classes: {len(splits.class_names)}, {some(list(splits.class_names), most=3)}",
        f"lists: SHA-256 {list_digest(splits)[:16]}",
    )
    items = [item for part in PARTS for item in getattr(splits, part)]
    if problem := _broken(items, splits, read):
        return Check(name, Found.BROKEN, counts, problem, details)
    differences = [note for note in splits.notes if NOT_COMPARABLE in note]
    details += tuple(note for note in splits.notes if note not in differences)
    found = Found.OTHER if differences else Found.WHOLE
    return Check(name, found, counts, "\n".join(differences), details)


def missing_files(items: Sequence[Item], root: str | Path) -> list[str]:
    """Return the paths of images that are not there; each folder is listed once."""
    listed: dict[str, frozenset[str]] = {}
    missing = []
    for path, _ in items:
        folder, _, file = path.rpartition("/")
        if folder not in listed:
            where = Path(root) / folder
            listed[folder] = frozenset(os.listdir(where)) if where.is_dir() else frozenset()
        if file not in listed[folder]:
            missing.append(path)
    return missing


def _broken(items: Sequence[Item], splits: Splits, read: bool) -> str:
    missing = missing_files(items, splits.root)
    if missing:
        return (
            f"{len(missing)} of {len(items)} images are missing in {str(splits.root)!r}: "
            f"{some(missing, MOST_NAMED)}. Extract the archive again, or see whether it lies a "
            "level deeper"
        )
    return _unreadable(items, splits.root) if read else ""


def _unreadable(items: Sequence[Item], root: Path) -> str:
    broken = list(find_unreadable(items, root).values())
    if not broken:
        return ""
    return f"{len(broken)} of {len(items)} images cannot be read: {some(broken, MOST_NAMED)}"


def _check_ood(name: str, root: str | Path, read: bool) -> Check:
    facts = OOD_BENCHMARKS[name]
    try:
        folder = find_ood_folder(name, root)
    except DataError as error:
        return Check(name, Found.NOTHING, {}, str(error))
    items = [Item(path.relative_to(folder).as_posix(), 0) for path in walk_images(folder)]
    counts, details = {"images": len(items)}, (f"images: {folder}",)
    if len(items) != facts.size:
        problem = f"{len(items)} images in {str(folder)!r}, published {facts.size}"
        return Check(name, Found.OTHER if items else Found.BROKEN, counts, problem, details)
    problem = _unreadable(items, folder) if read else ""
    return Check(name, Found.BROKEN if problem else Found.WHOLE, counts, problem, details)


def how_to_get(facts: Benchmark) -> str:
    """Say where the images of a set come from."""
    if facts.fetched:
        return f"Images: python tools/data.py download {facts.name} --root DIR ({facts.page})"
    return f"How to get it: {facts.by_hand} ({facts.page})"
