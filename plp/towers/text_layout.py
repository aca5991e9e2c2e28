"""Lengths and ends of texts, as tokens are put in, replaced and taken out."""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from plp.errors import ConfigError
from plp.towers.points import TowerPoints
from plp.towers.rows import Move


class TextLayout(NamedTuple):
    """Where the texts of a batch end.

    Attributes:
        end: Row of each text's last token; on the CPU.
        length: L, rows of a padded text.
        shared: Rows at the beginning of a prompt that all classes share.
    """

    end: Int[Tensor, "C N"]
    length: int
    shared: int = 0

    def after(self, move: Move) -> "TextLayout":
        """Return the layout when tokens were put in, replaced or taken out.

        Raises:
            ConfigError: for a text that ends in front of them.
        """
        last = move.row + move.over
        if int(self.end.min()) < last:
            raise ConfigError(
                f"tokens at row {move.row} of a text: expected every text to have its end behind "
                f"row {last - 1}, got one that ends at row {int(self.end.min())}. Use longer "
                "templates, or fewer tokens."
            )
        shared = self.shared
        if shared >= max(last, move.row) and not own_by_class(move.tokens):
            shared += move.change
        return TextLayout(self.end + move.change, self.length + move.change, shared)

    def tokens(self, move: Move, width: int) -> Float[Tensor, "*M K D"] | None:
        """Return what a move puts in: [K, D] for all texts, or [C * N, K, D].

        Raises:
            ConfigError: for tokens that do not fit.
        """
        tokens = move.tokens
        if tokens is None or (tokens.ndim == 2 and tokens.shape[-1] == width):
            return tokens
        classes, prompts = self.end.shape
        shape = (classes, prompts, tokens.shape[-2], width)
        try:
            return tokens.expand(shape).flatten(0, 1)
        except RuntimeError:
            raise ConfigError(
                f"tokens that are put into texts: expected [K, {width}], or what broadcasts to "
                f"[{classes}, {prompts}, K, {width}], got {list(tokens.shape)}"
            ) from None


def own_by_class(tokens: Tensor | None) -> bool:
    """Return whether tokens differ from class to class."""
    return tokens is not None and tokens.ndim == 4 and tokens.shape[0] > 1


def shared_with(points: TowerPoints | None, shared: int, own: int) -> int:
    """Return how much of a shared beginning stays shared: nothing behind a class's own tokens.

    Args:
        points: What acts on the tower.
        shared: Tokens that the prompts share.
        own: Own tokens in front of extra ones that do not say it themselves.
    """
    if points is None:
        return shared
    for group in points.tokens:
        if any(own_by_class(tokens) for tokens in group.before.values()):
            shared = min(shared, own if group.at is None else group.at)
    return shared
