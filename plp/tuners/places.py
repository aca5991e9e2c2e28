"""Which matrices or norms of a tower a tuner acts on, and how their parameters are stacked."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from plp.errors import ConfigError, did_you_mean
from plp.towers.parts import listed

Side = Literal["image", "text"]
SIDES: tuple[Side, ...] = ("text", "image")


class Place(NamedTuple):
    """A matrix or norm.

    Attributes:
        name: Its name in the tower, such as 'blocks.3.q'.
        block: Its block; None for one outside the blocks.
        part: Its name within the block, or the whole name outside the blocks.
    """

    name: str
    block: int | None
    part: str


def sides_of(towers: Literal["image", "text", "both"]) -> tuple[Side, ...]:
    """Return the towers that a tuner acts on.

    Raises:
        ConfigError: for another value.
    """
    if towers not in ("image", "text", "both"):
        raise ConfigError(f"expected towers 'image', 'text' or 'both', got {towers!r}")
    return tuple(side for side in SIDES if towers in (side, "both"))


def chosen(
    known: Iterable[str],
    patterns: Sequence[str],
    blocks: Sequence[int] | None,
    where: str,
) -> list[Place]:
    """Return the places that patterns name, in the order of the blocks, then of the patterns.

    Args:
        known: Names of all matrices or norms of a tower.
        patterns: Names within a block ('q'), or whole names ('projection', 'blocks.3.q'), where
            `*` stands for anything.
        blocks: Numbers of blocks; -1 is the last. None: all, and what lies outside the blocks.
        where: What is looked in, such as "matrices of the image tower".

    Raises:
        ConfigError: for a pattern or a block that there is not, with those there are.
    """
    places = [_place(name) for name in known]
    if not _are(patterns, str):
        raise ConfigError(f"{where}: expected names in a list or tuple, got {patterns!r}")
    if blocks is not None and not (isinstance(blocks, range) or _are(blocks, object)):
        raise ConfigError(
            f"{where}: expected blocks as a list of their numbers, or None for all, got {blocks!r}"
        )
    count = 1 + max((p.block for p in places if p.block is not None), default=-1)
    wanted = None if blocks is None else {_block(block, count, where) for block in blocks}
    found: dict[str, tuple[int, int, Place]] = {}
    for order, pattern in enumerate(patterns):
        fitting = [place for place in places if _fits(place, pattern)]
        if wanted is not None:
            fitting = [place for place in fitting if place.block in wanted]
        if not fitting:
            elsewhere = any(_fits(place, pattern) for place in places)
            keys = [key for p in places for key in (p.part, p.name)]
            near = "" if elsewhere else did_you_mean(pattern, keys)
            limit = "" if wanted is None else f" in blocks {sorted(wanted)}"
            raise ConfigError(
                f"{where}: nothing is called {pattern!r}{limit}.{near} There are: "
                f"{listed(p.name for p in places) or 'none'}."
            )
        for place in fitting:
            at = count if place.block is None else place.block
            found.setdefault(place.name, (at, order, place))
    return [place for _, _, place in sorted(found.values(), key=lambda entry: entry[:2])]


def stages_of(learned_in: Sequence[int] | None) -> tuple[int, ...] | None:
    """Return the stages of training that a tuner is learned in; None for all.

    Raises:
        ConfigError: for what is no list of their numbers.
    """
    if learned_in is None:
        return None
    if not _are(learned_in, int) or any(isinstance(s, bool) or s < 0 for s in learned_in):
        raise ConfigError(
            "expected learned_in as a list of stages of training, counted from 0, such as [0], or "
            f"None for all, got {learned_in!r}"
        )
    return tuple(learned_in)


class Stack(NamedTuple):
    """Places whose parameters lie in one tensor.

    Attributes:
        suffix: What its name ends in, behind what the tuner calls it.
        names: Names of the places, in the order of the leading axes.
        leading: The leading axes: [L, M] over blocks and parts, [L] over blocks, [] for one place.
    """

    suffix: str
    names: tuple[str, ...]
    leading: tuple[int, ...]

    def stacked(self, values: Mapping[str, Tensor]) -> Tensor:
        """Return values by name as one tensor."""
        if not self.leading:
            return values[self.names[0]]
        return torch.stack([values[name] for name in self.names]).unflatten(0, self.leading)

    def parts(self, tensor: Tensor) -> dict[str, Tensor]:
        """Return the part of each place, by name."""
        if not self.leading:
            return {self.names[0]: tensor}
        flat = tensor.flatten(0, len(self.leading) - 1)
        return dict(zip(self.names, flat.unbind(), strict=True))


def stacks_of(places: Sequence[Place], shapes: Mapping[str, tuple[int, ...]]) -> list[Stack]:
    """Return how the parameters of places are stacked, in as few tensors as their shapes allow.

    - All blocks have the same parts, all of one shape: one tensor [L, M, ...] over L blocks and M
      parts, without suffix.
    - Otherwise one tensor for each part whose shape is the same in all its blocks, [L, ...], with
      the suffix `_PART`.
    - Otherwise one for each place, with the suffix `_NAME`. Dots in names become underscores.
    """
    parts = list(dict.fromkeys(place.part for place in places))
    blocks = list(dict.fromkeys(place.block for place in places))
    grid = [(place.block, place.part) for place in places]
    same = len({shapes[place.name] for place in places}) == 1
    if same and None not in blocks and grid == [(b, part) for b in blocks for part in parts]:
        return [Stack("", tuple(p.name for p in places), (len(blocks), len(parts)))]
    found = []
    for part in parts:
        own = [place for place in places if place.part == part]
        names = tuple(place.name for place in own)
        if own[0].block is not None and len({shapes[name] for name in names}) == 1:
            found.append(Stack(_suffix(part), names, (len(own),)))
        else:
            found += [Stack(_suffix(name), (name,), ()) for name in names]
    return found


def spelt(blocks: Sequence[int]) -> str:
    """Return numbers of blocks in words.

    Example:
        >>> spelt([0, 1, 2, 3]), spelt([0, 3]), spelt([])
        ('0-3', '0, 3', 'none')
    """
    if len(blocks) > 2 and list(blocks) == list(range(blocks[0], blocks[-1] + 1)):
        return f"{blocks[0]}-{blocks[-1]}"
    return ", ".join(map(str, blocks)) or "none"


def spelt_places(names: Sequence[str], side: str, kind: str) -> str:
    """Return how many places of a tower there are, and in which blocks.

    Example:
        >>> spelt_places(["blocks.0.q", "blocks.0.v", "projection"], "image", "matrices")
        '3 image matrices (blocks 0; projection)'
    """
    places = [_place(name) for name in names]
    blocks = sorted({place.block for place in places if place.block is not None})
    outside = [place.name for place in places if place.block is None]
    where = "; ".join([*([f"blocks {spelt(blocks)}"] if blocks else []), *outside])
    return f"{len(names)} {side} {kind} ({where})"


def _suffix(name: str) -> str:
    return "_" + name.replace(".", "_")


def _place(name: str) -> Place:
    prefix, _, rest = name.partition(".")
    number, _, part = rest.partition(".")
    if prefix == "blocks" and number.isdecimal():
        return Place(name, int(number), part)
    return Place(name, None, name)


def _are(values: object, kind: type) -> bool:
    """Whether it is a list or tuple of such values, of one at least."""
    return (
        isinstance(values, list | tuple)
        and len(values) > 0
        and all(isinstance(value, kind) for value in values)
    )


def _fits(place: Place, pattern: str) -> bool:
    return fnmatchcase(place.part, pattern) or fnmatchcase(place.name, pattern)


def _block(block: object, count: int, where: str) -> int:
    """Return a block's number, counted from the end where it is negative."""
    whole = isinstance(block, int) and not isinstance(block, bool)
    if not whole or not -count <= block < count:  # type: ignore[operator]
        raise ConfigError(
            f"{where}: expected numbers of blocks from 0 to {count - 1} (or from -1 down, counted "
            f"from the end), got {block!r}"
        )
    return block % count  # type: ignore[operator,no-any-return]
