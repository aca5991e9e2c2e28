"""Which rows of a pass are extra tokens, block by block."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from plp.errors import ConfigError
from plp.towers.points import ExtraTokens, TowerPoints


class Move(NamedTuple):
    """Rows that are taken out before a block, and tokens that come in their place.

    Attributes:
        row: The first of the rows.
        over: How many are taken out.
        tokens: What comes in their place, [..., K, W]; None for nothing.
    """

    row: int
    over: int
    tokens: Tensor | None

    @property
    def change(self) -> int:
        """How many rows there are more."""
        return (0 if self.tokens is None else self.tokens.shape[-2]) - self.over


class Rows:
    """Keeps account of extra tokens while the blocks are gone through in order.

    Args:
        points: What acts on the tower; None for nothing.
        own: How many own tokens stand in front of extra ones that do not say it themselves.
        start: The first block that is run; moves in front of it have been made.
    """

    def __init__(self, points: TowerPoints | None, own: int, start: int = 0) -> None:
        self._points = points or TowerPoints()
        self._own = own
        self._present: list[str] = []  # in their order in a pass
        for block in range(start):
            self.all_moves(block)

    @property
    def count(self) -> int:
        """How many rows are extra tokens."""
        return sum(self._points.extra[name].count for name in self._present)

    @property
    def read(self) -> list[str]:
        """Names of extra tokens whose last states are wanted."""
        return [name for name in self._present if self._points.extra[name].read]

    def of(self, name: str) -> slice:
        """Return the rows of extra tokens."""
        group = self._points.extra[name]
        earlier = self._present[: self._present.index(name)]
        first = self._place(group) + sum(self._points.extra[other].count for other in earlier)
        return slice(first, first + group.count)

    def row(self, own: int) -> int:
        """Return the row of one of the tower's own tokens."""
        groups = [self._points.extra[name] for name in self._present]
        return own + sum(group.count for group in groups if self._place(group) <= own)

    def all_moves(self, block: int) -> list[Move]:
        """Return what is to be done before a block, in a tower without a first norm."""
        early = self.moves(0, before_first_norm=True) if block == 0 else []
        return early + self.moves(block)

    def moves(self, block: int, before_first_norm: bool = False) -> list[Move]:
        """Return what is to be done before a block, one after the other.

        Args:
            block: The block, each in its turn.
            before_first_norm: Of block 0, those in front of an image tower's first norm; these
                come first.
        """
        found: list[Move] = []
        for name, group in self._points.extra.items():
            if before_first_norm != (group.before_first_norm and block == 0):
                continue
            if group.until == block and name in self._present:
                found.append(Move(self.of(name).start, group.count, None))
                self._present.remove(name)
            elif block in group.before:
                found.append(self._put(name, group, group.before[block]))
        if before_first_norm:
            return found
        return found + [
            self._replace(group.at, group.before[block])
            for group in self._points.replaced
            if block in group.before
        ]

    def _put(self, name: str, group: ExtraTokens, tokens: Tensor) -> Move:
        if name in self._present:
            return Move(self.of(name).start, group.count, tokens)
        places = [self._place(self._points.extra[other]) for other in self._present]
        index = sum(place <= self._place(group) for place in places)
        self._present.insert(index, name)
        return Move(self.of(name).start, 0, tokens)

    def _place(self, group: ExtraTokens) -> int:
        return self._own if group.at is None else group.at

    def _replace(self, at: int, tokens: Tensor) -> Move:
        """Return the move of a tower's own tokens, whose rows must lie side by side."""
        groups = [self._points.extra[name] for name in self._present]
        count = tokens.shape[-2]
        between = [self._place(group) for group in groups if at < self._place(group) < at + count]
        if between:
            raise ConfigError(
                f"own tokens {at} to {at + count - 1} are replaced, but extra tokens stand among "
                f"them, in front of {between[0]}. Replace them in two parts."
            )
        return Move(self.row(at), count, tokens)


def moved(x: Float[Tensor, "M L W"], move: Move) -> Float[Tensor, "M R W"]:
    """Return tokens with some rows taken out, and others in their place.

    Raises:
        ConfigError: for tokens that do not fit.
    """
    parts = [x[:, : move.row], x[:, move.row + move.over :]]
    if move.tokens is not None:
        parts.insert(1, fitting(move.tokens, x.shape[0], x.shape[-1]).to(x.dtype))
    return torch.cat(parts, dim=1)


def fitting(tokens: Tensor, batch: int, width: int) -> Float[Tensor, "M K W"]:
    """Return tokens for each of a batch.

    Raises:
        ConfigError: for tokens of another width, or of another number of images or texts.
    """
    if (
        tokens.shape[-1] != width
        or tokens.ndim > 3
        or (tokens.ndim == 3 and tokens.shape[0] != batch)
    ):
        raise ConfigError(
            f"tokens that are put in: expected [K, {width}] or [{batch}, K, {width}], got "
            f"{list(tokens.shape)}"
        )
    return tokens.expand(batch, -1, -1)
