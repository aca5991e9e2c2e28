"""Files, folders and patterns as a list of image files."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from plp.datasets.folder import IMAGE_EXTENSIONS
from plp.datasets.walk import walk_images
from plp.errors import DataError


def list_images(sources: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """List image files, each once, in the order they were asked for.

    Args:
        sources: Files, taken whatever their extension and even if there is no such file (what reads
            them will say so); folders: all images in them and below, sorted by name, hidden ones
            left out, links followed; patterns with `*`, `?`, `[...]`, `**` for any depth.

    Raises:
        DataError: for a folder without images, or a pattern that nothing matches.
    """
    found: dict[Path, None] = {}
    for source in sources:
        path = Path(source)
        if path.is_dir():
            found |= dict.fromkeys(_in_folder(path))
        elif glob.has_magic(str(source)) and not path.exists():
            found |= dict.fromkeys(_matching(str(source)))
        else:
            found[path] = None
    if not found:
        raise DataError("expected images: files, folders or patterns, got none")
    return list(found)


def _matching(pattern: str) -> list[Path]:
    paths = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    files = [path for path in paths if path.is_file()]
    if not files:
        raise DataError(f"no file matches the pattern {pattern!r}")
    return files


def _in_folder(folder: Path) -> list[Path]:
    images = list(walk_images(folder))
    if not images:
        raise DataError(
            f"no image in the folder {str(folder)!r} or below: no file ends in one of "
            f"{' '.join(IMAGE_EXTENSIONS)}"
        )
    return images
