"""Half of the classes of a draw: base-to-new generalisation."""

from math import ceil
from typing import Literal

from plp.checks import check_choice
from plp.datasets.base import Item
from plp.datasets.sampling import FewShot, split_hash
from plp.errors import DataError

Part = Literal["all", "base", "new"]
PARTS: tuple[Part, ...] = ("all", "base", "new")


def take_classes(few: FewShot, part: Part) -> FewShot:
    """Keep the images of the first or of the second half of the classes, labelled anew from 0.

    The half is taken *after* the draw, so that the shots of a base class are those it has in the
    draw of all classes, as in the published protocol (Zhou et al., "Conditional Prompt Learning
    for Vision-Language Models", CVPR 2022, section 4.1).

    Args:
        few: A draw from all C classes.
        part: 'base' for the first ceil(C / 2) classes in label order, 'new' for the others, 'all'
            for the draw as it is.

    Returns:
        The draw of the half; its name is that of the dataset and the part, such as `dtd-base`.

    Raises:
        ConfigError: for an unknown part.
        DataError: for fewer than four classes, of which no two halves can be made.

    Example:
        >>> from pathlib import Path
        >>> items = tuple(Item(f'{c}.png', c) for c in range(5))
        >>> few = FewShot(items, (), items, tuple('abcde'), 'letters', Path('.'), 1, 1, 'exact',
        ...               '', ())
        >>> new = take_classes(few, 'new')
        >>> new.name, new.class_names, new.test
        ('letters-new', ('d', 'e'), (Item(path='3.png', label=0), Item(path='4.png', label=1)))
    """
    check_choice("data.classes", part, PARTS)
    if part == "all":
        return few
    count = len(few.class_names)
    if count < 4:
        raise DataError(
            f"{few.name}: data.classes={part!r} needs 4 classes or more, so that both halves have "
            f"two, got {count}"
        )
    half = ceil(count / 2)
    labels = range(half) if part == "base" else range(half, count)
    train, val, test = (_kept(items, labels) for items in (few.train, few.val, few.test))
    return few._replace(
        train=train, val=val, test=test, class_names=few.class_names[labels.start : labels.stop],
        name=f"{few.name}-{part}", split_hash=split_hash(train),
    )  # fmt: skip


def _kept(items: tuple[Item, ...], labels: range) -> tuple[Item, ...]:
    return tuple(
        Item(item.path, item.label - labels.start) for item in items if item.label in labels
    )
