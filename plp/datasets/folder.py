"""Any folder of images as a data set: one sub-folder a class."""

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import final

from plp.datasets.base import DataSource, Item, Splits, check_splits, some
from plp.datasets.held_out import hold_out
from plp.datasets.names import normalise_dataset_name
from plp.errors import DataError
from plp.registry import DATASETS

IMAGE_EXTENSIONS = (
    ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip


@DATASETS.register_module()
@final
class Folder(DataSource):
    """A folder with one sub-folder a class, or with such folders under train/ [val/] test/.

    - Class names are the folder names, underscores read as spaces; classes and images are sorted by
      name, whatever order the disk lists them in. Hidden files and files that are no images by
      extension (any case) are passed over. Links are followed.
    - One level: `test_fraction` of each class is held out for testing (see `hold_out`), the same
      images whatever the shots and the seed. Each class needs two images.
    - train/ and test/: taken as they are; val/ may be missing. train/ and val/ without test/ (the
      layout of ImageNet): val/ is the test set.

    Args:
        root: The folder.
        test_fraction: Share of test images where `root` has one level.
        name: Data-set name, the key of recipes. None: the name of the folder.
    """

    photographs = True

    def __init__(
        self, root: str | Path, test_fraction: float = 0.5, name: str | None = None
    ) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise DataError(
                f"no such folder: {str(root)!r}. Expected one sub-folder a class, or train/ and "
                "test/ with one sub-folder a class."
            )
        self.test_fraction = test_fraction
        self.name = normalise_dataset_name(name or self.root.resolve().name) or "folder"

    def splits(self) -> Splits:
        """List the images under the folder."""
        train = self.root / "train"
        given = train.is_dir() and any(_is_class_folder(path) for path in train.iterdir())
        return check_splits(self._given_parts() if given else self._held_out_parts())

    def _held_out_parts(self) -> Splits:
        classes = _list_classes(self.root)
        parts = hold_out(_list_items(self.root, classes.values()), self.test_fraction)
        total = len(parts.train) + len(parts.test)
        note = (
            f"{self.name}: no train/ and test/ in {str(self.root)!r}: {len(parts.test)} of {total} "
            f"images are held out for testing (test_fraction={self.test_fraction})"
        )
        return Splits(
            parts.train, (), parts.test, tuple(classes), self.name, self.root, notes=(note,)
        )

    def _given_parts(self) -> Splits:
        found = [part for part in ("train", "val", "test") if (self.root / part).is_dir()]
        if found == ["train"]:
            raise DataError(
                f"{str(self.root)!r} has train/ but neither test/ nor val/. Add test/, or give the "
                "folder train/ itself, of which plp then holds a part out for testing."
            )
        classes = {part: _list_classes(self.root / part) for part in found}
        order = tuple(classes["train"])
        for part in found[1:]:
            _check_same_classes(self.root, order, tuple(classes[part]), part)
        items = {
            part: _list_items(self.root, [classes[part][name] for name in order]) for part in found
        }
        if "test" in found:
            parts = (items["train"], items.get("val", ()), items["test"])
            return Splits(*parts, order, self.name, self.root)
        note = f"{self.name}: no test/ in {str(self.root)!r}: val/ is the test set"
        return Splits(items["train"], (), items["val"], order, self.name, self.root, (note,))


def _is_class_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "__"))


def image_names(folder: Path) -> list[str]:
    """Return the names of the images in a folder, sorted; hidden files are left out.

    One pass over the folder and no look at each file: a million images are listed in seconds.
    """
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name.lower().endswith(IMAGE_EXTENSIONS)
            and not entry.name.startswith(".")
            and entry.is_file()
        )


def _list_classes(folder: Path) -> dict[str, Path]:
    """Return the sub-folders by class name, sorted by name."""
    classes: dict[str, Path] = {}
    for path in sorted(filter(_is_class_folder, folder.iterdir())):
        name = " ".join(unicodedata.normalize("NFC", path.name).replace("_", " ").split())
        if name in classes:
            raise DataError(
                f"the folders {classes[name].name!r} and {path.name!r} in {str(folder)!r} both "
                f"mean class {name!r}. Rename one."
            )
        classes[name] = path
    if not classes:
        raise DataError(f"no sub-folder in {str(folder)!r}. Expected one sub-folder a class.")
    return dict(sorted(classes.items()))


def _list_items(root: Path, classes: Iterable[Path]) -> tuple[Item, ...]:
    return tuple(
        Item(f"{folder.relative_to(root).as_posix()}/{name}", label)
        for label, folder in enumerate(classes)
        for name in list_class(folder)
    )


def list_class(folder: Path) -> list[str]:
    """Return the names of a class's images, sorted.

    Raises:
        DataError: if there are none, with what may be wrong.
    """
    images = image_names(folder)
    if images:
        return images
    inner = [path.name for path in sorted(folder.iterdir()) if _is_class_folder(path)]
    hint = (
        f" It has sub-folders ({some(inner)}): is the data root one level too high?"
        if inner
        else " Add images or remove the folder."
    )
    raise DataError(
        f"class folder {str(folder)!r} is empty: no file in it ends in one of "
        f"{' '.join(IMAGE_EXTENSIONS)}.{hint}"
    )


def _check_same_classes(
    root: Path, train: tuple[str, ...], other: tuple[str, ...], part: str
) -> None:
    missing = [name for name in train if name not in other]
    extra = [name for name in other if name not in train]
    if missing or extra:
        raise DataError(
            f"{str(root)!r}: train/ and {part}/ must have the same classes. "
            f"Only in train/: {some(missing) or 'none'}; only in {part}/: {some(extra) or 'none'}."
        )
