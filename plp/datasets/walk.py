"""All images in a folder and below."""

import os
from collections.abc import Iterator
from pathlib import Path

from plp.datasets.listing import list_folder, marks_images
from plp.datasets.skipped import Reason, Tally


def walk_images(folder: str | Path, tally: Tally | None = None) -> Iterator[Path]:
    """Yield the images of a folder, then those of its sub-folders, each sorted by name.

    What is an image, and which folders are passed over, `list_folder` says; links are followed, no
    folder is visited twice. Inside a folder that has images of its own, folders of annotations
    (`masks/`, `labels/`) are passed over too.

    Args:
        folder: The folder.
        tally: Gets what is not read.
    """
    return (Path(folder) / name for name in walk_names(folder, tally))


def walk_names(
    folder: str | Path, tally: Tally | None = None, apart_from: str | Path | None = None
) -> Iterator[str]:
    """Yield the paths of the same images relative to the folder, with forward slashes.

    Args:
        folder: The folder.
        tally: Gets what is not read.
        apart_from: Do not follow links to a folder that is in this one or contains it: where each
            sub-folder is a class, such a link would give images to two of them.
    """
    taboo = None if apart_from is None else os.path.realpath(apart_from)
    return _walk(os.fspath(folder), "", set(), Tally() if tally is None else tally, taboo)


def _walk(
    folder: str, prefix: str, seen: set[str], tally: Tally, taboo: str | None
) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in seen:  # a link back to where we have been
        tally.skip(Reason.LINK, folder)
        return
    seen.add(real)
    listed = list_folder(folder, tally)
    for name in listed.images:
        tally.take(name)
        yield prefix + name
    for name in listed.folders:
        below = os.path.join(folder, name)
        if listed.images and marks_images(name):
            tally.skip(Reason.ANNOTATIONS, below)
        elif taboo is not None and os.path.islink(below) and _related(below, taboo):
            tally.skip(Reason.LINK, below)
        else:
            yield from _walk(below, f"{prefix}{name}/", seen, tally, taboo)


def _related(link: str, folder: str) -> bool:
    """Whether a link leads into a folder, to it, or to one that contains it."""
    target = os.path.realpath(link)
    try:
        return os.path.commonpath([target, folder]) in (target, folder)
    except ValueError:  # on another drive
        return False
