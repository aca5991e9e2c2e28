"""Blocks of both towers that belong together, pair by pair."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from plp.backbones.base import Backbone
from plp.errors import ConfigError
from plp.towers.image import ImageTower
from plp.towers.text_blocks import TextBlocks
from plp.tuners.places import Side, spelt

SIDES: tuple[Side, Side] = ("image", "text")


class BlockPairs(NamedTuple):
    """Blocks of the image tower and of the text tower, from 0; the i-th of both are a pair."""

    image: tuple[int, ...]
    text: tuple[int, ...]

    @property
    def places(self) -> dict[str, list[str]]:
        """Their names by tower, see `Tuner.places`."""
        return {"image": named_blocks(self.image), "text": named_blocks(self.text)}

    def described(self) -> str:
        """Return them in words."""
        if self.image == self.text:
            return f"blocks={spelt(self.image)}"
        return f"image blocks={spelt(self.image)}, text blocks={spelt(self.text)}"


def named_blocks(numbers: Iterable[int]) -> list[str]:
    """Return blocks as towers name them."""
    return [f"blocks.{number}" for number in numbers]


def block_pairs(backbone: Backbone, blocks: Any) -> BlockPairs:
    """Return the blocks that a config names.

    Args:
        backbone: The frozen model.
        blocks: Numbers from 0, the same in both towers, or `dict(image=[...], text=[...])`.

    Raises:
        ConfigError: for what is no such thing, blocks that a tower does not have, blocks that are
            not in rising order, or lists of different lengths.
    """
    if isinstance(blocks, Mapping):
        if set(blocks) != set(SIDES):
            raise ConfigError(
                "expected blocks as numbers, or as dict(image=[...], text=[...]), got "
                f"{dict(blocks)!r}"
            )
        image, text = (_checked(backbone, side, blocks[side]) for side in SIDES)
        if len(image) != len(text):
            raise ConfigError(
                "expected as many blocks of the image tower as of the text tower, which belong "
                f"together pair by pair, got {len(image)} and {len(text)}"
            )
        return BlockPairs(image, text)
    image, text = (_checked(backbone, side, blocks) for side in SIDES)
    return BlockPairs(image, text)


def block_tower(backbone: Backbone, side: Side) -> ImageTower | TextBlocks:
    """Return a tower that something can act in between blocks of.

    Raises:
        ConfigError: for a tower that nothing can act in, or that its library runs as a whole.
    """
    try:
        tower = backbone.inside(side)
    except ConfigError as error:
        raise ConfigError(f"the {side} tower: {error}") from None
    if not isinstance(tower, ImageTower | TextBlocks):
        raise ConfigError(
            f"the {side} tower is run as a whole by its library ({type(tower).__name__}): its "
            "matrices and norms can be changed, but nothing can act beside or between its blocks, "
            "and no tokens can be put into it. Use a tower that plp reads block by block "
            "(docs/inside_towers.md), such as one of open_clip"
        )
    return tower


def _checked(backbone: Backbone, side: Side, blocks: Any) -> tuple[int, ...]:
    numbers = isinstance(blocks, Sequence | range) and not isinstance(blocks, str)
    if not numbers or any(isinstance(b, bool) or not isinstance(b, int) for b in blocks):
        raise ConfigError(f"expected blocks as a list of integers >= 0, got {blocks!r}")
    if not blocks:
        return ()
    count = len(block_tower(backbone, side).layers())
    if missing := [block for block in blocks if not 0 <= block < count]:
        raise ConfigError(
            f"the {side} tower has blocks 0 to {count - 1}, got {', '.join(map(str, missing))}. "
            "Towers of different depths take blocks=dict(image=[...], text=[...])"
        )
    if list(blocks) != sorted(set(blocks)):
        raise ConfigError(f"expected blocks in rising order, each once, got {list(blocks)}")
    return tuple(blocks)
