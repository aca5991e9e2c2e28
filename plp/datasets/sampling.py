"""Few-shot draws: which training images are the shots.

Two rules are in use, and they draw other images and other numbers of them:

- *exact* (CoOp and most others): K images of every class.
- *stratified* (GalLoP, SOT-GLP): K times C images, in proportion to class size. A large class gets
  more than K, a small one fewer or none; on Caltech-101 16 "shots" are 6 to 155 images per class.

Both are reproduced image by image. Generators are local: the global random state is neither read
nor moved, and seed 0 is a seed like any other.
"""

import hashlib
import random
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from plp.checks import check_integer
from plp.datasets.base import Item, Splits, check_splits, some
from plp.errors import ConfigError, DataError
from plp.seeds import check_seed

MOST_VAL_SHOTS = 4  # CoOp: min(K, 4) validation images per class


class FewShot(NamedTuple):
    """A few-shot draw from `Splits`.

    Attributes:
        train: The shots, in the order drawn; none of a set that is for testing only.
        val: Validation images, min(K, 4) a class where there are as many.
        test: The test images, untouched.
        class_names: Index = label.
        name: Data-set name.
        root: The image folder that the paths are relative to.
        shots: K as asked for.
        seed: Seed of the draw.
        sampler: 'exact' or 'stratified'.
        split_hash: SHA-256 of the relative paths of `train`, joined with newlines, in order.
        notes: What the user should know, among it each fallback taken.
    """

    train: tuple[Item, ...]
    val: tuple[Item, ...]
    test: tuple[Item, ...]
    class_names: tuple[str, ...]
    name: str
    root: Path
    shots: int
    seed: int
    sampler: str
    split_hash: str
    notes: tuple[str, ...]


def sample_exact(splits: Splits, shots: int, seed: int) -> FewShot:
    """Draw K images of every class, as CoOp does.

    Class by class in order of first appearance in the train list, `random.sample(images, K)`; a
    class with fewer than K images gives all of them. Validation images are drawn in the same way
    from the val list, min(K, 4) a class, the generator going on from there; without a val list
    from the train images left over.

    Args:
        splits: What to draw from.
        shots: K, at least 1.
        seed: Seed of the local generator.

    Raises:
        ConfigError: for less than one shot.
        DataError: if `splits` leaks test images or lacks images (see `check_splits`).

    Example:
        >>> pool = tuple(Item(f'{c}/{i}.png', c) for c in range(2) for i in range(5))
        >>> test = (Item('a.png', 0), Item('b.png', 1))
        >>> pets = Splits(pool, (), test, ('cat', 'dog'), 'pets', Path('.'))
        >>> [item.path for item in sample_exact(pets, shots=2, seed=1).train]
        ['0/1.png', '0/0.png', '1/2.png', '1/0.png']
    """
    _check(splits, shots)
    generator = random.Random(seed)
    train = draw_exact(splits.train, shots, generator)
    return _few_shot(splits, train, shots, seed, "exact", generator)


def sample_stratified(splits: Splits, shots: int, seed: int) -> FewShot:
    """Draw K * C images in proportion to class size, as the published GalLoP and SOT-GLP do.

    scikit-learn's `StratifiedShuffleSplit` with `train_size = K * C` and `random_state = seed`, on
    labels numbered in order of first appearance; the whole train list where K * C exceeds it.
    The published code has no validation images; here they are drawn as in `sample_exact`, with a
    generator of their own.

    Args:
        splits: What to draw from.
        shots: K, at least 1.
        seed: Seed of the shuffle.

    Raises:
        ConfigError: for less than one shot.
        DataError: if `splits` leaks test images or lacks images, or cannot be stratified (a class
            of one image; fewer images left over than classes).
    """
    _check(splits, shots)
    train = draw_stratified(splits.train, shots * len(splits.class_names), seed)
    return _few_shot(splits, train, shots, seed, "stratified", random.Random(seed))


SAMPLERS: dict[str, Callable[[Splits, int, int], FewShot]] = {
    "exact": sample_exact,
    "stratified": sample_stratified,
}


def sample(splits: Splits, shots: int, seed: int, sampler: str = "exact") -> FewShot:
    """Draw shots by the sampler of that name.

    Raises:
        ConfigError: for an unknown sampler, and as the samplers do.
    """
    if sampler not in SAMPLERS:
        raise ConfigError(f"expected a sampler among {some(sorted(SAMPLERS))}, got {sampler!r}.")
    return SAMPLERS[sampler](splits, shots, check_seed(seed))


def draw_exact(items: Sequence[Item], shots: int, generator: random.Random) -> tuple[Item, ...]:
    """Draw `shots` items of every class, classes in order of first appearance.

    Example:
        >>> draw_exact([Item('a', 0), Item('b', 1), Item('c', 1)], 1, random.Random(1))
        (Item(path='a', label=0), Item(path='b', label=1))
    """
    drawn: list[Item] = []
    for members in _by_class(items).values():
        drawn += generator.sample(members, shots) if shots <= len(members) else members
    return tuple(drawn)


def draw_stratified(items: Sequence[Item], size: int, seed: int) -> tuple[Item, ...]:
    """Draw `size` items, each class in proportion to its share; all items where there are no more.

    Raises:
        DataError: if the items cannot be stratified.
    """
    from sklearn.model_selection import StratifiedShuffleSplit  # takes a second to import

    if size >= len(items):
        return tuple(items)
    order = {label: i for i, label in enumerate(_by_class(items))}
    labels = [order[item.label] for item in items]
    splitter = StratifiedShuffleSplit(n_splits=1, train_size=size, random_state=seed)
    try:
        indices, _ = next(splitter.split(labels, labels))
    except ValueError as error:
        raise DataError(
            f"the stratified sampler cannot draw {size} of {len(items)} images of {len(order)} "
            f"classes: {error} Use sampler='exact'."
        ) from error
    return tuple(items[i] for i in indices)


def _check(splits: Splits, shots: int) -> None:
    check_integer("shots", shots)
    check_splits(splits)


def _few_shot(
    splits: Splits,
    train: tuple[Item, ...],
    shots: int,
    seed: int,
    sampler: str,
    generator: random.Random,
) -> FewShot:
    """Add validation images to the shots, and state what fell short."""
    taken = set(train)
    pool = splits.val or tuple(item for item in splits.train if item not in taken)
    val_shots = min(shots, MOST_VAL_SHOTS)
    val = draw_exact(pool, val_shots, generator)
    notes = splits.notes
    wanted = ((train, shots, "training"), (val, val_shots, "validation")) if splits.train else ()
    for items, count, kind in wanted:
        if note := _shortage(items, splits.class_names, count, kind):
            notes += (f"{splits.name}: {note}",)
            warnings.warn(notes[-1], stacklevel=3)
    if splits.train and val and not splits.val:
        notes += (
            f"{splits.name}: validation images are drawn from training images not used as shots",
        )
    return FewShot(
        train=train,
        val=val,
        test=splits.test,
        class_names=splits.class_names,
        name=splits.name,
        root=splits.root,
        shots=shots,
        seed=seed,
        sampler=sampler,
        split_hash=split_hash(train),
        notes=notes,
    )


def split_hash(items: Sequence[Item]) -> str:
    """Return the SHA-256 of the relative paths, joined with newlines.

    Example:
        >>> split_hash([Item('a.png', 0), Item('b.png', 1)])[:12]
        '1baca9d47fd8'
    """
    paths = "\n".join(item.path for item in items)
    return hashlib.sha256(paths.encode("utf-8", "surrogateescape")).hexdigest()


def few_training_images(few: FewShot) -> str:
    """Return which classes have fewer images than shots; '' if none has, or a draw by class size.

    A stratified draw gives some classes fewer than K by design, others in each draw.
    """
    if few.sampler != "exact" or not few.train:
        return ""
    return _shortage(few.train, few.class_names, few.shots, "training")


def _shortage(items: Sequence[Item], names: tuple[str, ...], wanted: int, kind: str) -> str:
    counts = {label: len(members) for label, members in _by_class(items).items()}
    short = [
        f"{name} {counts.get(label, 0)}"
        for label, name in enumerate(names)
        if counts.get(label, 0) < wanted
    ]
    if not short:
        return ""
    return (
        f"{len(short)} of {len(names)} classes with fewer than {wanted} {kind} images: "
        f"{some(short)}"
    )


def _by_class(items: Sequence[Item]) -> dict[int, list[Item]]:
    """Group items by label, labels in order of first appearance."""
    groups: dict[int, list[Item]] = {}
    for item in items:
        groups.setdefault(item.label, []).append(item)
    return groups
