"""Files, folders and patterns as a list of image files."""

import glob
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from plp.datasets.listing import is_tool_folder
from plp.datasets.skipped import Reason, Tally
from plp.datasets.suffixes import SUFFIXES, is_image
from plp.datasets.walk import walk_images
from plp.errors import DataError

logger = logging.getLogger("plp")


def list_and_report(sources: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """List image files as `list_images` does, and log what was not read and why.

    Raises:
        DataError: as `list_images` does.
    """
    tally = Tally()
    images = list_images(sources, tally)
    for note in tally.notes("images", compared=False):
        logger.warning("%s", note)
    return images


def list_images(
    sources: Sequence[str | os.PathLike[str]], tally: Tally | None = None
) -> list[Path]:
    """List image files, each once, in the order they were asked for.

    Args:
        sources: Files, taken whatever their suffix and even if there is no such file (what reads
            them will say so); folders: all images in them and below, see `walk_images`; patterns
            with `*`, `?`, `[...]`, `**` for any depth: the images among the files they match.
        tally: Gets what is not read.

    Raises:
        DataError: for a folder without images, or a pattern that matches none.
    """
    tally = Tally() if tally is None else tally
    found: dict[Path, None] = {}
    for source in sources:
        path = Path(source)
        if path.is_dir():
            found |= dict.fromkeys(_in_folder(path, tally))
        elif glob.has_magic(str(source)) and not path.exists():
            found |= dict.fromkeys(_matching(str(source), tally))
        else:
            found[path] = None
    if not found:
        raise DataError("expected images: files, folders or patterns, got none")
    return list(found)


def _matching(pattern: str, tally: Tally) -> list[Path]:
    images = []
    paths = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    asked = Path(pattern).parts
    for path in paths:
        if path.is_dir():
            if "**" not in asked:
                tally.skip(Reason.UNMATCHED, path)
        elif any(is_tool_folder(part) and part not in asked for part in path.parts[:-1]):
            tally.skip(Reason.TOOL, path)
        elif not path.is_file():
            tally.skip(Reason.LINK if path.is_symlink() else Reason.SPECIAL, path)
        elif is_image(path.name):
            images.append(path)
        else:
            tally.skip_file(path)
    if not paths:
        raise DataError(f"no file matches the pattern {pattern!r}")
    if not images:
        raise DataError(_nothing(f"no image matches the pattern {pattern!r}", tally))
    return images


def _in_folder(folder: Path, tally: Tally) -> list[Path]:
    images = list(walk_images(folder, tally))
    if not images:
        raise DataError(_nothing(f"no image in the folder {str(folder)!r} or below", tally))
    return images


def _nothing(what: str, tally: Tally) -> str:
    said = tally.notes("found", compared=False)
    return "\n  ".join([f"{what}: no file ends in one of {' '.join(SUFFIXES)}", *said])
