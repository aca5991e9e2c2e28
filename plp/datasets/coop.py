"""Datasets in CoOp's layout: a split file and an image folder."""

from pathlib import Path
from typing import final

from plp.datasets.base import DataSource, Item, Splits, check_splits, some
from plp.datasets.listed import check_listed
from plp.datasets.names import name_of_split_file, normalise_dataset_name
from plp.errors import DataError
from plp.registry import DATASETS
from plp.text_files import read_json

_ENTRY = "[image path, label, class name]"


@DATASETS.register_module()
@final
class Coop(DataSource):
    """A split file as CoOp publishes them, and the images it names.

    The file is JSON: `{"train": [[impath, label, classname], ...], "val": [...], "test": [...]}`;
    "val" may be missing or empty. Labels are 0..C-1 and mean the same class in every part.

    Args:
        root: Folder of the dataset.
        split: The split file; a relative path is tried inside `root` first. None: the one
            `split_*.json` in `root`.
        image_dir: The image folder; a relative path is one inside `root`. None: `root` or the one
            of its sub-folders in which the first image of the split file is found.
        name: Data-set name, the key of recipes. None: from the name of the split file, so that
            `split_zhou_OxfordFlowers.json` is `oxford_flowers`.
        allow_outside: Let the split file name images outside of the image folder, by absolute paths
            or `..`.
    """

    def __init__(
        self,
        root: str | Path,
        split: str | Path | None = None,
        image_dir: str | Path | None = None,
        name: str | None = None,
        allow_outside: bool = False,
    ) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise DataError(f"no such folder: {str(root)!r}. Expected a dataset in CoOp's layout.")
        self.split = _find_split(self.root, split)
        self.image_dir = image_dir
        self.allow_outside = allow_outside
        self.name = normalise_dataset_name(name) if name else name_of_split_file(self.split.stem)

    def splits(self) -> Splits:
        """Read the split file and find the image folder."""
        parts = _read_split(self.split)
        listed = (
            (path, f"{self.split.name}, {part}[{i}]")
            for part, rows in parts.items()
            for i, (path, _, _) in enumerate(rows)
        )
        check_listed(listed, self.allow_outside)
        names = _class_names(parts, self.split)
        train, val, test = (
            tuple(Item(path, label) for path, label, _ in parts[part])
            for part in ("train", "val", "test")
        )
        images = _find_images(self.root, self.image_dir, train[0].path)
        return check_splits(Splits(train, val, test, names, self.name, images))


def _find_split(root: Path, split: str | Path | None) -> Path:
    if split is not None:
        for candidate in (root / split, Path(split)):
            if candidate.is_file():
                return candidate
        raise DataError(f"no split file {str(split)!r}, neither in {str(root)!r} nor as a path.")
    found = sorted(path for path in root.glob("split_*.json") if path.is_file())
    if len(found) == 1:
        return found[0]
    got = some([path.name for path in found]) if found else "none"
    raise DataError(
        f"expected one split file split_*.json in {str(root)!r}, got {got}. Name it with `split`."
    )


Rows = list[tuple[str, int, str]]


def _read_split(path: Path) -> dict[str, Rows]:
    content = read_json(path)
    parts = content if isinstance(content, dict) else {}
    lists = {part: parts.get(part) or [] for part in ("train", "val", "test")}
    if not all(isinstance(rows, list) for rows in lists.values()) or not (
        lists["train"] and lists["test"]
    ):
        raise DataError(
            f'split file {str(path)!r}: expected {{"train": [...], "val": [...], "test": [...]}} '
            f"with entries {_ENTRY}; train and test must not be empty."
        )
    return {
        part: [_row(entry, f"{path.name}, {part}[{i}]") for i, entry in enumerate(rows)]
        for part, rows in lists.items()
    }


def _row(entry: object, where: str) -> tuple[str, int, str]:
    match entry:
        case [str(path), int(label), str(name)]:
            return path, label, name
    raise DataError(f"{where}: expected {_ENTRY}, got {entry!r}.")


def _class_names(parts: dict[str, Rows], split: Path) -> tuple[str, ...]:
    """Return the class names by label, after a check that all parts agree about them."""
    names: dict[int, str] = {}
    labels: dict[str, int] = {}
    for part, rows in parts.items():
        for path, label, name in rows:
            if names.setdefault(label, name) != name or labels.setdefault(name, label) != label:
                raise DataError(
                    f"{split.name}: {part} calls label {label} {name!r} ({path!r}), elsewhere "
                    f"label {label} is {names[label]!r} and {name!r} is label "
                    f"{labels.get(name, 'of no other entry')}. The parts must agree."
                )
    if sorted(names) != list(range(len(names))):
        raise DataError(
            f"{split.name}: expected labels 0..{len(names) - 1}, got {some(sorted(names))}."
        )
    return tuple(names[label] for label in range(len(names)))


def _find_images(root: Path, image_dir: str | Path | None, first: str) -> Path:
    if image_dir is not None:
        images = root / image_dir
        if not images.is_dir():
            raise DataError(f"no such image folder: {str(images)!r}.")
        return images
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    found = [folder for folder in (root, *folders) if (folder / first).is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"{first!r} is in several folders: {some([str(folder) for folder in found])}. "
            "Name the right one with `image_dir`."
        )
    raise DataError(
        f"the first image of the split file, {first!r}, is neither in {str(root)!r} nor in its "
        f"sub-folders ({some([folder.name for folder in folders]) or 'none'}). Name the image "
        "folder with `image_dir`."
    )
