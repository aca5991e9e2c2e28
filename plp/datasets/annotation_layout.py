"""Folders that are laid out for annotations, not for classes: refused, with what was found."""

import re
from collections.abc import Collection
from itertools import islice
from pathlib import Path

from plp.datasets.base import some
from plp.datasets.listing import list_folder, marks_images, plain_name
from plp.datasets.parts import class_folders, part_of
from plp.datasets.skipped import Tally
from plp.errors import DataError
from plp.wording import count

_KINDS = frozenset(
    ("images", "image", "imgs", "img", "jpegimages", "jpegs", "rgb", "mask", "label", "annotation",
     "annots", "annot", "anns", "annos", "anno", "bbox", "boxes", "polygons", "seg", "imagesets",
     "groundtruths", "instances", "semantic", "panoptic", "trimap", "xmls", "xml", "json", "jsons",
     "csv", "txt", "yolo", "coco", "voc", "depth", "depths", "keypoints", "metadata", "unlabeled",
     "unlabelled", "devkit")
)  # fmt: skip
_TABLES = (".csv", ".tsv", ".xls", ".xlsx", ".parquet", ".json", ".jsonl", ".xml", ".yaml", ".yml",
           ".mat", ".txt")  # fmt: skip
_TEXTS = ("readme", "license", "licence", "requirements", "copying", "notes")
_BETWEEN_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|[\W_]+")
_MOST_FOLDERS = 3  # named of each part


def is_annotation(name: str) -> bool:
    """Whether a folder's name says that it holds images as such, or what is marked in them.

    Example:
        >>> [is_annotation(name) for name in ('JPEGImages', 'ground_truth', 'no_mask')]
        [True, True, False]
    """
    return plain_name(name) in _KINDS or marks_images(name)


def refuse_annotations(root: Path, classes: Collection[str]) -> None:
    """Refuse a folder whose only classes are names of parts or of annotations.

    Args:
        root: The folder that was listed.
        classes: Names of its sub-folders that have images.

    Raises:
        DataError: naming what was found, a table if there is one, and the layout expected.
    """
    twins = named_after_parts(classes)
    if classes and all(part_of(name) or is_annotation(name) or name in twins for name in classes):
        raise DataError(_message(root, sorted(classes)))


def named_after_parts(names: Collection[str]) -> frozenset[str]:
    """Return the names that tell parts apart and nothing else, such as `cars_train`, `cars_test`.

    Example:
        >>> sorted(named_after_parts(["trainA", "testA", "bus"]))
        ['testA', 'trainA']
        >>> named_after_parts(["steam_train", "crash_test", "toy_train"])
        frozenset()
    """
    alike: dict[tuple[str, ...], dict[str, str]] = {}
    for name in names:
        words = _BETWEEN_WORDS.sub(" ", name).casefold().split()
        for place in (0, len(words) - 1) if len(words) > 1 else ():
            if part := part_of(words[place]):
                rest = tuple(words[:place] + words[place + 1 :])
                alike.setdefault(rest, {})[name] = part
    groups = [found for found in alike.values() if {"train"} < set(found.values())]
    return frozenset(name for found in groups for name in found)


def annotation_note(name: str, classes: Collection[str]) -> str:
    """Return a warning about classes called like annotation folders or parts; '' if none is."""
    odd = sorted(one for one in classes if is_annotation(one))
    parts = {one: part for one in classes if (part := part_of(one))}
    if {"train"} < set(parts.values()):
        odd += sorted(parts)
    odd += sorted(named_after_parts(classes))
    if not odd:
        return ""
    return (
        f"{name}: classes called {some(odd)}: folders of this name often hold images or masks of "
        "all classes. Move them out if they are no class"
    )


def expected_layout(root: Path) -> str:
    """Say which layouts can be read, and which tables lie there that cannot."""
    tables = tables_in(root)
    found = f" There is a table, {some(tables, most=5)}, which plp does not read." if tables else ""
    return (
        f"{found} Expected one sub-folder per class (ROOT/CLASS/IMAGE), or train/ and test/ with "
        "one sub-folder per class in each; or a split file in CoOp's format (--dataset coop)"
    )


def tables_in(root: Path) -> list[str]:
    """Return the names of files that may say what images show, in a folder and its sub-folders."""
    folders = [root, *(root / name for name in list_folder(root, Tally()).folders)]
    files = (path for folder in folders for path in sorted(folder.iterdir()))
    tables = (
        path.relative_to(root).as_posix()
        for path in files
        if path.suffix.lower() in _TABLES
        and not path.name.startswith(".")
        and not path.name.lower().startswith(_TEXTS)
        and (path.parent == root or path.suffix.lower() not in (".txt", ".xml"))
        and path.is_file()
    )
    return list(islice(tables, 50))


def _message(root: Path, classes: list[str]) -> str:
    inside = {name: list(islice(class_folders(root / name), 20)) for name in classes}
    described = ", ".join(_described(root / name, inside[name]) for name in classes)
    level = [name for name in classes if len(inside[name]) > 1]
    if classes == level and len(level) == 1 and part_of(level[0]) == "train":
        name = level[0]
        return (
            f"{str(root)!r} has {name}/ but neither test/ nor val/. Add test/, or give the folder "
            f"{name}/ itself, of which plp then holds a part out for testing"
        )
    message = (
        f"{str(root)!r} has no class folders: its folders with images are {described}, which are "
        f"names of parts or annotations, not of classes.{expected_layout(root)}"
    )
    if level:
        first = root / level[0]
        message += (
            f". {level[0]}/ has sub-folders ({some(inside[level[0]], most=_MOST_FOLDERS)}): is the "
            f"data root one level too high? Then give --data-root {str(first)!r}"
        )
    return message


def _described(folder: Path, inside: list[str]) -> str:
    if inside:
        return f"{folder.name}/ (with {some(inside, most=_MOST_FOLDERS)} in it)"
    images = len(list_folder(folder, Tally()).images)
    return f"{folder.name}/ ({count(images, 'image')})"
