"""The contract of a data source: lists of labelled image files, nothing decoded yet."""

import posixpath
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from plp.datasets.listed import check_class_names
from plp.errors import DataError


class Item(NamedTuple):
    """One labelled image.

    Attributes:
        path: Relative to the image folder, with forward slashes on every system: lists, draws and
            their hashes are the same on every machine.
        label: Index of the class, 0..C-1.
    """

    path: str
    label: int


class Splits(NamedTuple):
    """What a source holds, before any few-shot draw.

    Attributes:
        train: The pool that shots are drawn from; empty for a set that is for testing only.
        val: Validation pool; empty where the source has none, then validation images are drawn
            from the training images that are no shots.
        test: Touched by nothing but the final test.
        class_names: Index = label.
        name: Data-set name, lower case with underscores; the key of recipes and result tables.
        root: The image folder that the paths are relative to.
        notes: What the user should know about how these lists came about.
        untested: Labels of classes that are trained and have no test image, as the notes say.
    """

    train: tuple[Item, ...]
    val: tuple[Item, ...]
    test: tuple[Item, ...]
    class_names: tuple[str, ...]
    name: str
    root: Path
    notes: tuple[str, ...] = ()
    untested: tuple[int, ...] = ()


class DataSource(ABC):
    """A dataset that can say which image files it consists of.

    A concrete source is one class registered in `DATASETS`. Its class name in snake case is its
    name on the command line: `OxfordPets` is `--dataset oxford_pets`.

    Attributes:
        name: Data-set name, see `Splits.name`.
        test_only: Whether it has test images only, for models that were trained on another set.
        photographs: Whether its images may come straight from cameras, so that they are turned
            upright by their EXIF orientation where a config does not say otherwise (`data.exif`).
    """

    name: str
    test_only: bool = False
    photographs: bool = False

    @property
    def recipe(self) -> str:
        """Name of the dataset whose recipes apply; '' for none.

        Its own, but for a shifted copy of another, and for a folder of the user's.
        """
        return self.name

    @abstractmethod
    def splits(self) -> Splits:
        """List the images.

        Raises:
            DataError: if files are missing or contradict each other, with what to do.
        """


def check_splits(splits: Splits) -> Splits:
    """Return `splits` if a classifier can be trained and fairly tested on them.

    Raises:
        DataError: for fewer than two classes, a label without a name, a class without training or
            test image (but for those of `untested`), an image that stands in two parts (a leak of
            the test set) or under two labels, however its path is spelled. A set that is for
            testing only needs test images alone.

    Example:
        >>> one = (Item('a.png', 0), Item('b.png', 1))
        >>> check_splits(Splits(one, (), one, ('cat', 'dog'), 'pets', Path('.')))
        Traceback (most recent call last):
        ...
        plp.errors.DataError: pets: 2 images are in train and in test ('a.png', 'b.png'). ...
    """
    check_class_names(splits.class_names, splits.root)
    if len(splits.class_names) < 2:
        raise DataError(f"{splits.name}: expected 2 classes or more, got {splits.class_names}.")
    for part in ("train", "val", "test"):
        _check_labels(splits, part)
    labels = {part: _labels_by_path(splits, part) for part in ("train", "val", "test")}
    for part, other in (("train", "test"), ("val", "test"), ("train", "val")):
        _check_disjoint(splits.name, part, labels[part], other, labels[other])
    return splits


def _check_labels(splits: Splits, part: str) -> None:
    items: tuple[Item, ...] = getattr(splits, part)
    labels = {item.label for item in items}
    unnamed = sorted(labels - set(range(len(splits.class_names))))
    if unnamed:
        raise DataError(
            f"{splits.name}: expected labels 0..{len(splits.class_names) - 1} in {part}, "
            f"got {some(unnamed)}."
        )
    allowed = labels | set(splits.untested if part == "test" else ())
    empty = [name for i, name in enumerate(splits.class_names) if i not in allowed]
    if part == "train" and not splits.train and not splits.val:
        return  # for testing only
    if empty and part != "val":
        raise DataError(
            f"{splits.name}: no {part} image of class {some(empty)}. Add images or take the class "
            "out of every part."
        )


def plain_path(path: str) -> str:
    """Return the one spelling of a path in a list, for comparison: `./a//b.jpg` is `a/b.jpg`.

    Example:
        >>> plain_path("./a//b.jpg"), plain_path("a/x/../b.jpg"), plain_path("a/b.jpg")
        ('a/b.jpg', 'a/b.jpg', 'a/b.jpg')
    """
    return posixpath.normpath(path) if "//" in path or "./" in path else path


def _labels_by_path(splits: Splits, part: str) -> dict[str, int]:
    """Return the label of each image of a part, by path, after a check that it has only one."""
    labels: dict[str, int] = {}
    for path, label in getattr(splits, part):
        if labels.setdefault(plain_path(path), label) != label:
            names = [splits.class_names[i] for i in (labels[plain_path(path)], label)]
            raise DataError(
                f"{splits.name}: {path!r} stands in {part} with two labels: {names[0]!r} and "
                f"{names[1]!r}. List each image with one label."
            )
    return labels


def _check_disjoint(
    name: str, part: str, left: Mapping[str, int], other: str, right: Mapping[str, int]
) -> None:
    both = sorted(left.keys() & right.keys())
    if both:
        raise DataError(
            f"{name}: {len(both)} images are in {part} and in {other} ({some(both)}). "
            "List each image in one part only."
        )


def some(things: list[str] | list[int], most: int = 10) -> str:
    """Write the first `most` of `things` out, and how many more there are.

    Example:
        >>> some(['a', 'b', 'c'], most=2)
        "'a', 'b' and 1 more"
    """
    shown = ", ".join(repr(thing) for thing in things[:most])
    return shown + (f" and {len(things) - most} more" if len(things) > most else "")
