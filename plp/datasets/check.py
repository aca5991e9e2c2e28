"""Whether a dataset is where plp looks for it, and whole."""

import os
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from plp.datasets.base import Item, Splits, some
from plp.datasets.benchmarks import BENCHMARKS, Benchmark
from plp.datasets.build import build_source
from plp.datasets.duplicates import find_duplicates
from plp.datasets.layout import right_roots
from plp.datasets.ood_benchmarks import OOD_BENCHMARKS, find_ood_folder
from plp.datasets.published_lists import NOT_COMPARABLE, list_digest
from plp.datasets.readable import find_unreadable
from plp.datasets.skipped import Tally
from plp.datasets.walk import walk_images
from plp.errors import DataError, UnknownComponentError

MOST_NAMED = 10  # missing files
PARTS = ("train", "val", "test")


class Found(Enum):
    """What there is of a dataset."""

    WHOLE = "ok"
    OTHER = "not the published one"
    BROKEN = "files missing"
    UNFIT = "cannot be used"  # of a folder of the user's own
    NOTHING = "not found"


class Check(NamedTuple):
    """What was found of a dataset.

    Attributes:
        name: Its name.
        found: How it stands.
        counts: Images by part that are there, of those listed; of an out-of-distribution set,
            `images`. Empty where there are no lists.
        expected: Images by part of the published set, parts it does not have left out.
        problem: What is wrong and what to do; '' if nothing is.
        details: Further lines.
    """

    name: str
    found: Found
    counts: dict[str, int]
    expected: dict[str, int]
    problem: str = ""
    details: tuple[str, ...] = ()


def check_benchmark(name: str, root: str | Path, read: bool = False) -> Check:
    """Look at one of the field's datasets.

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
        raise UnknownComponentError(f"expected a dataset among {known}, got {name!r}")
    facts = BENCHMARKS[name]
    expected = {part: size for part, size in facts.counts._asdict().items() if size is not None}
    try:
        splits = build_source(name, root).splits()
    except DataError as error:
        return _without_lists(facts, root, expected, str(error))
    details: tuple[str, ...] = (
        f"images: {splits.root}",
        f"classes: {len(splits.class_names)}, {some(list(splits.class_names), most=3)}",
        f"lists: SHA-256 {list_digest(splits)[:16]}",
    )
    lists = {part: getattr(splits, part) for part in PARTS}
    items = [item for part in lists.values() for item in part]
    missing = missing_files(items, splits.root)
    gone = frozenset(missing)
    counts = {
        part: sum(item.path not in gone for item in listed)
        for part, listed in lists.items()
        if listed or part in expected
    }
    differences = [note for note in splits.notes if NOT_COMPARABLE in note]
    if problem := broken(items, splits, missing, read):
        problem = "\n".join([problem, *differences])
        return Check(name, Found.BROKEN, counts, expected, problem, details)
    details += find_duplicates(splits).notes
    details += tuple(note for note in splits.notes if note not in differences)
    found = Found.OTHER if differences else Found.WHOLE
    return Check(name, found, counts, expected, "\n".join(differences), details)


def other_roots(root: str | Path) -> dict[Path, list[str]]:
    """Return data roots above or below this one, and the sets that are there and not here."""
    found: dict[Path, list[str]] = {}
    for name, facts in BENCHMARKS.items():
        if not (Path(root) / facts.folder).is_dir():
            for other in right_roots(Path(root), facts.folder)[:1]:
                found.setdefault(other, []).append(name)
    return found


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


def _without_lists(
    facts: Benchmark, root: str | Path, expected: dict[str, int], problem: str
) -> Check:
    base = Path(root) / facts.folder
    if not (base / facts.images).is_dir():
        problem += f"\n{how_to_get(facts)}"
    sizes = ", ".join(f"{part} {size}" for part, size in expected.items())
    details = (f"expected: {facts.classes} classes, {sizes}",)
    found = Found.BROKEN if base.is_dir() else Found.NOTHING
    return Check(facts.name, found, {}, expected, problem, details)


def broken(items: Sequence[Item], splits: Splits, missing: list[str], read: bool) -> str:
    """Say which images are missing, and which of the others cannot be decoded; '' if none."""
    told = []
    if missing:
        told.append(
            f"{len(missing)} of {len(items)} images are missing in {str(splits.root)!r}: "
            f"{some(missing, MOST_NAMED)}. Extract the archive again, or see whether it lies a "
            "level deeper"
        )
    if read:
        gone = frozenset(missing)
        told.append(_unreadable([item for item in items if item.path not in gone], splits.root))
    return "\n".join(filter(None, told))


def _unreadable(items: Sequence[Item], root: Path) -> str:
    broken = list(find_unreadable(items, root).values())
    if not broken:
        return ""
    return f"{len(broken)} of {len(items)} images cannot be read: {some(broken, MOST_NAMED)}"


def _check_ood(name: str, root: str | Path, read: bool) -> Check:
    facts = OOD_BENCHMARKS[name]
    expected = {"images": facts.size}
    try:
        folder = find_ood_folder(name, root)
    except DataError as error:
        return Check(
            name, Found.NOTHING, {}, expected, str(error), (f"expected: {facts.size} images",)
        )
    tally = Tally(folder)
    items = [Item(path.relative_to(folder).as_posix(), 0) for path in walk_images(folder, tally)]
    counts = {"images": len(items)}
    details: tuple[str, ...] = (f"images: {folder}", *tally.notes(name, compared=False))
    problem = _unreadable(items, folder) if read else ""
    found = Found.BROKEN if problem or not items else Found.WHOLE
    if len(items) != facts.size:
        other = (
            f"{len(items)} images in {str(folder)!r}, published {facts.size}: {NOT_COMPARABLE}. "
            f"How to get it: {facts.by_hand}"
        )
        problem = "\n".join(filter(None, [other, problem]))
        found = Found.OTHER if found is Found.WHOLE else found
    return Check(name, found, counts, expected, problem, details)


def how_to_get(facts: Benchmark) -> str:
    """Say where the images of a set come from."""
    if facts.fetched:
        return f"Images: python tools/data.py download {facts.name} --root DIR ({facts.page})"
    return f"How to get it: {facts.by_hand} ({facts.page})"
