"""A test part that stays what it is while a folder grows and its classes are renamed."""

import hashlib
import unicodedata
from collections.abc import Sequence
from math import floor
from typing import NamedTuple

from plp.datasets.base import Item, some
from plp.errors import DataError
from plp.wording import count

# Any number would do. With this one, numbered names that many tools give (000.png, 001.png, ...;
# 1.jpg, 2.jpg, ...) are divided evenly from the second or third image on.
_SALT = "29024"


class HeldOutByName(NamedTuple):
    """Images divided into a pool to draw shots from and a test part; both in the order given.

    Attributes:
        train: The pool.
        test: The test images.
        untested: Labels of classes that have no test image.
        enough: The smallest test fraction, in hundredths, at which every class has one.
        given_back: Of classes all of whose images would be test images, the one that is not.
    """

    train: tuple[Item, ...]
    test: tuple[Item, ...]
    untested: tuple[int, ...]
    enough: float
    given_back: tuple[Item, ...]


def hold_out_by_name(items: Sequence[Item], fraction: float) -> HeldOutByName:
    """Hold out the images whose file name has a small hash.

    An image is a test image if `name_hash` of its name is below `fraction`. Nothing else decides:
    not the class, its other images, shots or seed. So a class can be renamed, and grow, and a test
    image stays one. About `fraction` of a class is held out, of a small class more or less.

    A class all of whose images are below the threshold gives the one of the largest hash back to
    training. When the class has grown that image may become a test image, never the reverse. A
    class with no image below it is trained and not tested: no rule could choose a test image for it
    that is sure to stay one. (Of any two images of such a class, as a class of their own, one would
    be a test image and could never be trained on again; so that of any number at most one could.)

    Args:
        items: Images of all classes, at least two per class. The first folder of a path is the
            class's and may be renamed.
        fraction: Expected share of test images, between 0 and 1.

    Raises:
        DataError: for a class of one image, or if no class has a test image.

    Example:
        >>> parts = hold_out_by_name([Item(f'cat/{i}.png', 0) for i in range(4)], fraction=0.5)
        >>> [item.path for item in parts.test]
        ['cat/1.png', 'cat/2.png']
    """
    if not 0 < fraction < 1:
        raise DataError(f"expected a test fraction between 0 and 1, got {fraction}.")
    classes: dict[int, list[Item]] = {}
    for item in items:
        classes.setdefault(item.label, []).append(item)
    test: set[Item] = set()
    untested, given_back = [], []
    enough = fraction
    for label, members in classes.items():
        if len(members) < 2:
            raise DataError(
                f"{members[0].path!r} is the only image of its class, so that there is none left "
                "to test with. Add images, or give train/ and test/ sub-folders."
            )
        below = [item for item in members if name_hash(_name(item)) < fraction]
        if len(below) == len(members):
            given_back.append(max(below, key=_order))
            below.remove(given_back[-1])
        if not below:
            untested.append(label)
            least = sorted(name_hash(_name(item)) for item in members)[0]
            enough = max(enough, floor(100 * least + 1) / 100)
        test.update(below)
    if not test:
        raise DataError(
            f"no image is held out for testing: of {count(len(items), 'image')} none has a name "
            f"whose hash is below test_fraction={fraction}. Add images, give train/ and test/ "
            f"sub-folders, or take --test-fraction {enough}, at which each class has one."
        )
    return HeldOutByName(
        train=tuple(item for item in items if item not in test),
        test=tuple(item for item in items if item in test),
        untested=tuple(untested),
        enough=enough,
        given_back=tuple(given_back),
    )


def name_hash(name: str) -> float:
    """Return a number from 0 to 1 that follows from a file name, the same on every machine.

    Composed and decomposed Unicode give the same number: systems change one into the other.

    Example:
        >>> round(name_hash('IMG_0001.jpg'), 4) == round(name_hash('IMG_0001.jpg'), 4)
        True
    """
    text = f"{_SALT}\0{unicodedata.normalize('NFC', name)}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def division_notes(name: str, parts: HeldOutByName, class_names: Sequence[str]) -> tuple[str, ...]:
    """Say which classes the threshold left without test or without training images."""
    notes = []
    if parts.untested:
        classes = [class_names[label] for label in parts.untested]
        notes.append(
            f"{name}: {len(classes)} of {len(class_names)} classes have no test image, for no file "
            f"name in them falls to the test part: {some(classes)}. They are trained and not "
            "tested; accuracies are of the others. Add images, give train/ and test/ sub-folders, "
            f"or take --test-fraction {parts.enough}, at which each class has one"
        )
    if parts.given_back:
        paths = [item.path for item in parts.given_back]
        notes.append(
            f"{name}: in {len(paths)} of {len(class_names)} classes every file name falls to the "
            f"test part; one image of each is a training image instead: {some(paths)}"
        )
    return tuple(notes)


def _name(item: Item) -> str:
    return item.path.rpartition("/")[2]


def _order(item: Item) -> tuple[float, str]:
    """Order images by hash, those of one name by where they are in the class's folder."""
    return name_hash(_name(item)), item.path.partition("/")[2]
