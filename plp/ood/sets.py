"""Out-of-distribution sets: any folder of images, or the test images of a set in CoOp's layout."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from plp.datasets import Coop, Item
from plp.datasets.base import some
from plp.datasets.skipped import Tally
from plp.datasets.suffixes import SUFFIXES
from plp.datasets.walk import walk_images
from plp.errors import ConfigError, DataError

ID = "id"  # the in-distribution images' name among the sets
OOD_LABEL = -1  # as OpenOOD and pytorch-ood label them


class OODSet(NamedTuple):
    """The images of one set.

    Attributes:
        name: As given.
        root: The folder that the paths are relative to.
        items: The images, labelled -1.
        class_names: Classes the images are of: of a split file, or the names of their folders.
        source: Where the list comes from, in words.
        notes: What the user should know about the list: what was left out.
    """

    name: str
    root: Path
    items: tuple[Item, ...]
    class_names: tuple[str, ...]
    source: str
    notes: tuple[str, ...] = ()


def list_ood_sets(roots: Mapping[str, str | Path]) -> list[OODSet]:
    """List the images of every set, by name.

    Raises:
        ConfigError: for no set, or a name that cannot be a file's.
        DataError: for a folder that is missing or has no images.
    """
    if not roots:
        raise ConfigError("expected at least one out-of-distribution set: --ood NAME=FOLDER")
    for name in roots:
        if name == ID or not name or not all(c.isalnum() or c in "-_+." for c in name):
            raise ConfigError(
                f"expected a name of letters, digits, '-', '_', '+', '.' other than {ID!r} for an "
                f"out-of-distribution set, got {name!r}"
            )
    return [list_ood_set(name, root) for name, root in roots.items()]


def list_ood_set(name: str, root: str | Path) -> OODSet:
    """List the images of one set.

    Args:
        name: The set's name in results.
        root: A folder with one `split_*.json` (CoOp's layout), or that file where the folder has
            several: the test images. Any other folder: all images in it and its sub-folders,
            whatever these are called, hidden ones left out; links are followed.

    Raises:
        DataError: if the folder is missing, has no images, or its split file does not fit.
    """
    root = Path(root)
    if root.is_file() and root.suffix == ".json":
        return _from_split(name, root)
    if not root.is_dir():
        raise DataError(
            f"{name}: no such folder: {str(root)!r}. Expected images, in sub-folders or not, or a "
            "dataset in CoOp's layout"
        )
    splits = sorted(root.glob("split_*.json"))
    if len(splits) > 1:
        raise DataError(
            f"{name}: several split files in {str(root)!r}: {some([p.name for p in splits])}. "
            f"Name one: --ood {name}={root / splits[0].name}"
        )
    return _from_split(name, splits[0]) if splits else _from_folder(name, root)


def shared_classes(id_names: Collection[str], found: OODSet) -> list[str]:
    """Return the classes of a set that are in-distribution classes by name."""
    known = {_plain(name) for name in id_names}
    return [name for name in found.class_names if _plain(name) in known]


def _from_split(name: str, split: Path) -> OODSet:
    parts = Coop(split.parent, split=split.name).splits()
    items = tuple(Item(item.path, OOD_LABEL) for item in parts.test)
    return OODSet(name, parts.root, items, parts.class_names, f"test images of {split.name}")


def _from_folder(name: str, root: Path) -> OODSet:
    tally = Tally(root)
    paths = [path.relative_to(root) for path in walk_images(root, tally)]
    if not paths:
        said = tally.notes(name, compared=False)
        message = (
            f"{name}: no image in {str(root)!r} or below. Expected files that end in one of "
            f"{' '.join(SUFFIXES)}"
        )
        raise DataError("\n  ".join([message, *said]))
    folders = dict.fromkeys(path.parent.name for path in paths if path.parent.name)
    items = tuple(Item(path.as_posix(), OOD_LABEL) for path in paths)
    source = "all images in the folder and below"
    return OODSet(name, root, items, tuple(folders), source, tally.notes(name))


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())
