"""All images in a folder and below."""

import os
from collections.abc import Iterator
from pathlib import Path

from plp.datasets.folder import IMAGE_EXTENSIONS


def walk_images(folder: str | Path) -> Iterator[Path]:
    """Yield the images of a folder, then those of its sub-folders, each sorted by name.

    Images go by their extension, of any case. Hidden files and folders are passed over, links are
    followed, no folder is visited twice.
    """
    return _walk(Path(folder), set())


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in seen:  # a link back to where we have been
        return
    seen.add(real)
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    yield from (p for p in entries if p.suffix.lower() in IMAGE_EXTENSIONS and p.is_file())
    for path in entries:
        if path.is_dir():
            yield from _walk(path, seen)
