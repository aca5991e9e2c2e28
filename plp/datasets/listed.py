"""Names that files and folders bring into a run: of classes, of folders, of images in a list."""

import posixpath
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from plp.errors import DataError
from plp.printable import printable, why_not_a_name

_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]")  # on any system


def check_class_names(names: Sequence[str], root: Path) -> None:
    """Refuse names of classes that no checkpoint can hold, or that no terminal should show.

    Args:
        names: Names in label order; of a folder's classes those of its sub-folders.
        root: The image folder.

    Raises:
        DataError: naming the class, and the folder.
    """
    for label, name in enumerate(names):
        if why := why_not_a_name(name):
            raise DataError(
                f"the name of class {label} in '{printable(str(root))}', '{printable(name)}', "
                f"{why}. Rename the folder, or the class in the list"
            )


def check_listed(paths: Iterable[tuple[str, str]], allow_outside: bool = False) -> None:
    """Refuse what a list calls images and cannot be one, or lies outside of the image folder.

    Args:
        paths: Each image, and where it is listed.
        allow_outside: Whether absolute paths and `..` are the user's wish.

    Raises:
        DataError: naming the first one and its place.
    """
    for path, where in paths:
        if why := why_not_a_name(path):
            raise DataError(f"{where}: the image '{printable(path)}' {why}. Correct the list")
        if not allow_outside and _is_outside(path):
            raise DataError(
                f"{where}: the image {path!r} is outside of the image folder (an absolute path, or "
                "one with '..'). A list of your own may do so: --cfg-options "
                "dataset.allow_outside=True"
            )


def _is_outside(path: str) -> bool:
    """Whether a path leads out of the folder it is relative to, by what it says.

    Example:
        >>> [_is_outside(one) for one in ('a/1.png', 'a/../b/1.png', 'a/../../b/1.png', '/a.png')]
        [False, False, True, True]
    """
    if _ABSOLUTE.match(path):
        return True
    return ".." in path and posixpath.normpath(path.replace("\\", "/")).split("/")[0] == ".."
