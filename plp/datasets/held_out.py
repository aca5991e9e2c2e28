"""A fixed test part for data that come without one."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from plp.datasets.base import Item
from plp.errors import DataError


class HeldOut(NamedTuple):
    """Images divided into a pool to draw shots from and a test part; both in the order given."""

    train: tuple[Item, ...]
    test: tuple[Item, ...]


def hold_out(items: Sequence[Item], fraction: float) -> HeldOut:
    """Divide images into a training pool and a test part, class by class.

    Within a class the images are ranked by the SHA-256 of their relative path, and the first
    `fraction` of them are test images. The division depends on the file names alone: not on shots,
    seed or machine, so that accuracies at different shots and seeds are of the same test images.

    Args:
        items: Images of all classes; at least two a class.
        fraction: Share of test images, between 0 and 1. Rounded to whole images, with at least one
            image in each part.

    Raises:
        DataError: for a class of one image.

    Example:
        >>> parts = hold_out([Item(f'cat/{i}.png', 0) for i in range(4)], fraction=0.5)
        >>> [item.path for item in parts.test]
        ['cat/0.png', 'cat/3.png']
    """
    if not 0 < fraction < 1:
        raise DataError(f"expected a test fraction between 0 and 1, got {fraction}.")
    by_class: dict[int, list[Item]] = {}
    for item in items:
        by_class.setdefault(item.label, []).append(item)
    test: set[Item] = set()
    for members in by_class.values():
        if len(members) < 2:
            raise DataError(
                f"{members[0].path!r} is the only image of its class, so that there is none left "
                "to test with. Add images, or give train/ and test/ sub-folders."
            )
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        test.update(sorted(members, key=_rank)[:count])
    return HeldOut(
        train=tuple(item for item in items if item not in test),
        test=tuple(item for item in items if item in test),
    )


def _rank(item: Item) -> str:
    return hashlib.sha256(item.path.encode("utf-8", "surrogateescape")).hexdigest()
