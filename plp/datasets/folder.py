"""Any folder of images as a dataset: one sub-folder per class."""

from pathlib import Path
from typing import final

from plp.datasets.annotation_layout import annotation_note, expected_layout, refuse_annotations
from plp.datasets.base import DataSource, Item, Splits, check_splits, some
from plp.datasets.class_folder import ClassFolder, list_classes, meant_as_class, refuse_empty
from plp.datasets.held_out_by_name import division_notes, hold_out_by_name
from plp.datasets.listing import list_folder
from plp.datasets.names import folder_label, normalise_dataset_name
from plp.datasets.parts import find_parts
from plp.datasets.skipped import Reason, Tally
from plp.datasets.walk import walk_images
from plp.errors import DataError
from plp.registry import DATASETS

_Classes = dict[str, ClassFolder]


@DATASETS.register_module()
@final
class Folder(DataSource):
    """A folder with one sub-folder per class, or with such folders under train/ [val/] test/.

    - Class names are the folder names, underscores read as spaces; classes and images are sorted by
      name, whatever order the disk lists them in. Images are known by their suffix, of any case;
      those in folders inside a class folder count for the class. Links are followed. What is left
      out (other suffixes, hidden files and folders, folders of tools, folders without images) is
      counted in the notes.
    - One level: about `test_fraction` of each class is held out for testing (see
      `hold_out_by_name`), the same images whatever the shots and the seed, the name of the class
      and the images added to it. Each class needs two images.
    - train/ and test/: taken as they are; val/ may be missing. train/ and val/ without test/ (the
      layout of ImageNet): val/ is the test set. Other names of these parts are known, see
      `find_parts`.

    Args:
        root: The folder.
        test_fraction: Expected share of test images where `root` has one level.
        name: Dataset name and key of recipes: `oxford_flowers` says that these are Oxford Flowers.
            None: the name of the folder as a label, and no recipe, whatever the folder is called.
    """

    photographs = True

    def __init__(
        self, root: str | Path, test_fraction: float = 0.5, name: str | None = None
    ) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise DataError(
                f"no such folder: {str(root)!r}. Expected one sub-folder per class, or train/ and "
                "test/ with one sub-folder per class."
            )
        self.test_fraction = test_fraction
        self._given_name = normalise_dataset_name(name) if name else ""
        self.name = self._given_name or folder_label(self.root.resolve().name)

    @property
    def recipe(self) -> str:
        """The name that was given; '' without one: the folder's own name stands for nothing."""
        return self._given_name

    def splits(self) -> Splits:
        """List the images under the folder."""
        tally = Tally(self.root)
        try:
            parts = find_parts(self.root)
            found = self._given_parts(parts, tally) if parts else self._held_out_parts(tally)
            odd = annotation_note(self.name, found.class_names)
            notes = (*found.notes, *([odd] if odd else ()), *tally.notes(self.name))
            return check_splits(found._replace(notes=notes))
        except DataError as error:
            said = tally.notes(self.name, compared=False)
            raise DataError("\n  ".join([str(error), *said])) from error

    def _held_out_parts(self, tally: Tally) -> Splits:
        classes = list_classes(self.root, tally)
        _check_layout(self.root, classes)
        classes = _without_empty([classes], tally)[0]
        for one in classes.values():
            if one.only_below:
                refuse_empty(one.path)
        parts = hold_out_by_name(_list_items(self.root, classes), self.test_fraction)
        total = len(parts.train) + len(parts.test)
        note = (
            f"{self.name}: no train/ and test/ in {str(self.root)!r}: {len(parts.test)} of {total} "
            f"images are held out for testing (test_fraction={self.test_fraction})"
        )
        return Splits(
            parts.train, (), parts.test, tuple(classes), self.name, self.root,
            notes=(note, *division_notes(self.name, parts, tuple(classes))),
            untested=parts.untested,
        )  # fmt: skip

    def _given_parts(self, parts: dict[str, str], tally: Tally) -> Splits:
        _tally_beside(self.root, set(parts.values()), tally)
        listed = [list_classes(self.root / folder, tally) for folder in parts.values()]
        _check_layout(self.root / parts["train"], listed[0])
        classes = dict(zip(parts, _without_empty(listed, tally), strict=True))
        order = tuple(classes["train"])
        for part, folder in parts.items():
            _check_same_classes(self.root, order, tuple(classes[part]), parts["train"], folder)
            _check_images(classes[part], part)
        items = {
            part: _list_items(self.root, {name: classes[part][name] for name in order})
            for part in parts
        }
        notes = _parts_notes(self.name, self.root, parts)
        test = items["test"] if "test" in items else items["val"]
        val = items.get("val", ()) if "test" in items else ()
        return Splits(items["train"], val, test, order, self.name, self.root, notes)


def _check_layout(folder: Path, classes: _Classes) -> None:
    """Refuse a folder without classes."""
    if not classes:
        raise DataError(f"no sub-folder in {str(folder)!r}.{expected_layout(folder)}")
    filled = [one for one in classes.values() if one.images]
    refuse_annotations(folder, [one.path.name for one in filled])
    others = [one for one in classes.values() if not one.images]
    if len(filled) > 1 or any(meant_as_class(one.path) for one in others):
        return
    if not filled:
        names = [one.path.name for one in others]
        raise DataError(
            f"no image in the sub-folders of {str(folder)!r} ({some(names, most=3)})."
            f"{expected_layout(folder)}"
        )
    if not filled[0].only_below:
        raise DataError(
            f"expected 2 classes or more in {str(folder)!r}, got one, {filled[0].path.name!r}."
            f"{expected_layout(folder)}"
        )


def _without_empty(parts: list[_Classes], tally: Tally) -> list[_Classes]:
    """Leave out the classes that have no image in any part, unless they were meant to have some."""
    filled = {name for classes in parts for name, one in classes.items() if one.images}
    for classes in parts:
        for name, one in classes.items():
            if name not in filled:
                if meant_as_class(one.path):
                    refuse_empty(one.path)
                tally.skip(Reason.EMPTY, one.path)
    return [{name: one for name, one in part.items() if name in filled} for part in parts]


def _check_images(classes: _Classes, part: str) -> None:
    """Refuse a class without images in a part where it needs some, or with a level too many."""
    for one in classes.values():
        if one.only_below or (not one.images and (part != "val" or meant_as_class(one.path))):
            refuse_empty(one.path)


def _list_items(root: Path, classes: _Classes) -> tuple[Item, ...]:
    folders = [one.path.relative_to(root).as_posix() for one in classes.values()]
    return tuple(
        Item(f"{folders[label]}/{image}", label)
        for label, one in enumerate(classes.values())
        for image in one.images
    )


def _tally_beside(root: Path, parts: set[str], tally: Tally) -> None:
    """Count what lies beside the folders of the parts."""
    listed = list_folder(root, tally)
    for name in listed.images:
        tally.skip(Reason.STRAY, root / name)
    for name in listed.folders:
        if name not in parts:
            tally.skip(Reason.BESIDE, root / name, images=sum(1 for _ in walk_images(root / name)))


def _parts_notes(name: str, root: Path, parts: dict[str, str]) -> tuple[str, ...]:
    """Say which folder was taken for which part, where that does not go without saying."""
    notes = []
    if others := [f"{folder}/ is {part}" for part, folder in parts.items() if folder != part]:
        notes.append(f"{name}: parts by other names: {', '.join(others)}")
    if "test" not in parts:
        notes.append(f"{name}: no test/ in {str(root)!r}: {parts['val']}/ is the test set")
    return tuple(notes)


def _check_same_classes(
    root: Path, train: tuple[str, ...], other: tuple[str, ...], first: str, second: str
) -> None:
    missing = [name for name in train if name not in other]
    extra = [name for name in other if name not in train]
    if missing or extra:
        raise DataError(
            f"{str(root)!r}: {first}/ and {second}/ must have the same classes. Only in {first}/: "
            f"{some(missing) or 'none'}; only in {second}/: {some(extra) or 'none'}."
        )
