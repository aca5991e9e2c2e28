"""The sub-folders of a folder as classes: names, images, and which of them cannot be classes."""

import unicodedata
from pathlib import Path
from typing import NamedTuple

from plp.datasets.base import some
from plp.datasets.listing import list_folder
from plp.datasets.skipped import Reason, Tally
from plp.datasets.suffixes import FOREIGN_SUFFIXES, SUFFIXES
from plp.datasets.walk import walk_names
from plp.errors import DataError


class ClassFolder(NamedTuple):
    """One sub-folder.

    Attributes:
        path: The folder.
        images: Paths of its images relative to it, with forward slashes: its own, then those in
            folders inside it.
    """

    path: Path
    images: tuple[str, ...]

    @property
    def only_below(self) -> bool:
        """Whether all its images lie in folders inside it: it is rather a folder of classes."""
        return bool(self.images) and "/" in self.images[0]


def list_classes(folder: Path, tally: Tally) -> dict[str, ClassFolder]:
    """Return the sub-folders by class name, sorted by name, those without images too.

    Class names are the folder names, underscores read as spaces.

    Args:
        folder: The folder.
        tally: Gets what is not read.

    Raises:
        DataError: if there are no sub-folders, or two of them have images of one class name.
    """
    listed = list_folder(folder, tally)
    for name in listed.images:
        tally.skip(Reason.STRAY, folder / name)
    classes: dict[str, ClassFolder] = {}
    for folder_name in listed.folders:
        found = _list_class(folder, folder_name, tally)
        name = class_name(folder_name)
        if name in classes and classes[name].images and found.images:
            raise DataError(
                f"the folders {classes[name].path.name!r} and {folder_name!r} in {str(folder)!r} "
                f"both mean class {name!r}. Rename one."
            )
        if found.images or name not in classes:
            classes[name] = found
    return dict(sorted(classes.items()))


def class_name(folder_name: str) -> str:
    """Return the class that a folder's name means.

    Example:
        >>> class_name('tree_frog')
        'tree frog'
    """
    plain = unicodedata.normalize("NFC", folder_name).replace("_", " ")
    return " ".join(plain.split()) or folder_name


def list_own_images(folder: Path, tally: Tally) -> list[str]:
    """Return the names of a class's images, sorted; folders inside it are not looked into.

    Args:
        folder: The folder of the class.
        tally: Gets what is not read.

    Raises:
        DataError: if there are none, with what may be wrong.
    """
    listed = list_folder(folder, tally)
    for name in listed.folders:
        tally.skip(Reason.NESTED, folder / name)
    if not listed.images:
        refuse_empty(folder)
    for name in listed.images:
        tally.take(name)
    return listed.images


def refuse_empty(folder: Path) -> None:
    """Refuse a class folder that has no images of its own.

    Raises:
        DataError: saying what it has instead.
    """
    tally = Tally(folder)
    inner = list_folder(folder, tally).folders
    had = "; ".join(note.partition(": ")[2] for note in tally.notes("", compared=False))
    if inner:
        hint = f"It has sub-folders ({some(inner)}): is the data root one level too high?"
    else:
        hint = (f"It has {had}. " if had else "") + "Add images or remove the folder."
    raise DataError(
        f"class folder {str(folder)!r} is empty: no file in it ends in one of "
        f"{' '.join(SUFFIXES)}. {hint}"
    )


def meant_as_class(folder: Path) -> bool:
    """Whether a folder without images was to be a class: bare, or with images of other formats.

    One that has other things in it, such as texts or films, is no class.
    """
    tally = Tally(folder)
    for _ in walk_names(folder, tally):
        pass
    foreign = any(suffix in FOREIGN_SUFFIXES for suffix in tally.suffixes)
    return (
        foreign
        or not tally.suffixes
        or bool(tally.counts[Reason.HEIF] or tally.counts[Reason.UNDECODED])
    )


def _list_class(root: Path, name: str, tally: Tally) -> ClassFolder:
    folder = root / name
    images = tuple(walk_names(folder, tally, apart_from=root))
    for image in images:
        if "/" in image:
            tally.take_nested(folder / image)
    if name.startswith("__") and images:  # plp 0.1 took no such folder for a class
        tally.new[f"in {name}/"] += len(images)
    return ClassFolder(folder, images)
