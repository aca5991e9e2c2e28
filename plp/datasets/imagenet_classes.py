"""ImageNet's thousand classes: synsets, names, and the folders named after them."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from plp.datasets.base import Item, some
from plp.datasets.class_folder import list_own_images
from plp.datasets.listing import list_folder
from plp.datasets.skipped import Reason, Tally
from plp.errors import DataError
from plp.text_files import read_text

CLIP = "clip"
NAMES_FILE = "classnames.txt"


@cache
def synsets() -> tuple[str, ...]:
    """Return the WordNet identities of the classes, in label order, which is their own.

    Example:
        >>> len(synsets()), synsets()[:2]
        (1000, ('n01440764', 'n01443537'))
    """
    from timm.data import ImageNetInfo  # takes seconds to import

    return tuple(ImageNetInfo("imagenet-1k").label_names())


@cache
def clip_names() -> tuple[str, ...]:
    """Return the class names that CLIP's authors wrote for zero-shot classification.

    Two of them stand for two classes each: 'missile' (labels 657 and 744) and 'sunglasses' (836 and
    837).

    Example:
        >>> clip_names()[0], clip_names()[657] == clip_names()[744]
        ('tench', True)
    """
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES  # likewise

    return tuple(IMAGENET_CLASSNAMES)


def class_names(wanted: str | Path, base: Path) -> tuple[str, ...]:
    """Return the names of the thousand classes.

    Args:
        wanted: 'clip', or a file with a line `n01440764 tench` a class, relative to `base` or not.
        base: Folder of the dataset.

    Raises:
        DataError: if there is no such file, or it does not name every class once.
    """
    if wanted == CLIP:
        return clip_names()
    path = next((one for one in (base / wanted, Path(wanted)) if one.is_file()), None)
    if path is None:
        raise DataError(
            f"expected class_names 'clip' or a file, got {str(wanted)!r}: it is neither in "
            f"{str(base)!r} nor a path"
        )
    pairs = [line.strip().split(maxsplit=1) for line in read_text(path).splitlines()]
    pairs = [pair for pair in pairs if pair]
    if wrong := [pair for pair in pairs if len(pair) != 2 or pair[0] not in synsets()]:
        raise DataError(f"{path}: expected lines such as 'n01440764 tench', got {wrong[0]}")
    names = dict(pairs)
    if missing := [synset for synset in synsets() if synset not in names]:
        raise DataError(f"{path}: {len(missing)} classes have no name: {some(missing)}")
    return tuple(names[synset] for synset in synsets())


def names_note(dataset: str, used: str | Path, names: tuple[str, ...], base: Path) -> str:
    """Return a word about a classnames.txt that says otherwise; '' if there is none."""
    if used != CLIP or not (base / NAMES_FILE).is_file():
        return ""
    others = class_names(NAMES_FILE, base)
    differ = [f"{a!r} for {b!r}" for a, b in zip(others, names, strict=True) if a != b]
    if not differ:
        return ""
    return (
        f"{dataset}: {NAMES_FILE} in {str(base)!r} has {len(differ)} names that are not CLIP's "
        f"({', '.join(differ[:3])}, ...); CLIP's are used, --cfg-options "
        f"dataset.class_names={NAMES_FILE} takes the others"
    )


def list_folders(
    folder: Path, prefix: str, labels: Mapping[str, int], tally: Tally
) -> tuple[Item, ...]:
    """List the images of class folders, sorted by folder and name.

    CoOp's code takes the images as the disk lists them, so that equal seeds draw other shots on
    another disk.

    Args:
        folder: Where the class folders are.
        prefix: Put before each path, such as 'train/'; '' for paths relative to `folder`.
        labels: Label by name of the class folder. Folders that look like none are passed over.
        tally: Gets what is not read.

    Raises:
        DataError: naming folders that are missing or unknown, or have no images.
    """
    listed = list_folder(folder, tally)
    for name in listed.images:
        tally.skip(Reason.STRAY, folder / name)
    found = [folder / name for name in listed.folders if not name.startswith("_")]
    unknown = [path.name for path in found if path.name not in labels]
    if unknown:
        hint = _LEVELS if not any(re.fullmatch(r"n\d{8}", name) for name in unknown) else ""
        raise DataError(
            f"folders in {str(folder)!r} that are no class of ImageNet: {some(unknown)}.{hint}"
        )
    return tuple(
        Item(f"{prefix}{path.name}/{image}", labels[path.name])
        for path in found
        for image in list_own_images(path, tally)
    )


_LEVELS = " Expected class folders such as n01440764/ there: are they one level lower?"
