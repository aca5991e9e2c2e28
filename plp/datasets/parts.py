"""The parts of a folder, by the names that people give them: train, val, test."""

import re
from collections.abc import Iterator
from pathlib import Path

from plp.datasets.base import some
from plp.datasets.listing import list_folder, plain_name
from plp.datasets.skipped import Tally
from plp.datasets.walk import walk_names
from plp.errors import DataError

PARTS = ("train", "val", "test")
_PART_OF = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def part_of(name: str) -> str | None:
    """Return which part a folder's name stands for; None if it is no part's.

    Example:
        >>> [part_of(name) for name in ('Train', 'training_set', 'valid', 'dev', 'trainer')]
        ['train', 'train', 'val', 'val', None]
    """
    plain = plain_name(name)
    return _PART_OF.get(plain) or _PART_OF.get(re.sub(r"(set|data|images|imgs)$", "", plain))


def find_parts(root: Path) -> dict[str, str]:
    """Return the folders of the parts by part, in the order train, val, test; empty if none.

    Such names are parts only if a training part and another one are there, and both hold class
    folders with images. Otherwise they are names of classes like any other.

    Raises:
        DataError: for two folders of one part.
    """
    named: dict[str, list[str]] = {part: [] for part in PARTS}
    for name in list_folder(root, Tally()).folders:
        part = part_of(name)
        if part is not None and holds_classes(root / name):
            named[part].append(name)
    found = {part: names for part, names in named.items() if names}
    if "train" not in found or len(found) < 2:
        return {}
    for part, names in found.items():
        if len(names) > 1:
            raise DataError(
                f"{str(root)!r}: {some(names)} are all names of the {part} part. Keep one, or move "
                "the others out"
            )
    return {part: names[0] for part, names in found.items()}


def holds_classes(folder: Path) -> bool:
    """Whether a folder has a sub-folder with an image in it or below."""
    return next(class_folders(folder), None) is not None


def class_folders(folder: Path) -> Iterator[str]:
    """Yield the names of the sub-folders that have images."""
    for name in list_folder(folder, Tally()).folders:
        if next(walk_names(folder / name, apart_from=folder), None) is not None:
            yield name
