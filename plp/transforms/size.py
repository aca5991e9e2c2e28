"""Sizes of images as (height, width), the order of tensors and of open_clip's configs."""

from collections.abc import Sequence
from typing import TypeAlias

from plp.errors import ConfigError

Size: TypeAlias = tuple[int, int]
SizeLike: TypeAlias = int | Sequence[int]


def read_size(name: str, value: SizeLike) -> Size:
    """Return (height, width) of a side of a square, or of two sides.

    Raises:
        ConfigError: for anything but one or two whole numbers of pixels.

    Example:
        >>> read_size('image_size', 224), read_size('image_size', [224, 448])
        ((224, 224), (224, 448))
    """
    sides = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(sides) != 2 or not all(type(side) is int for side in sides):
        raise ConfigError(
            f"expected {name} to be an integer number of pixels, or (height, width), got {value!r}"
        )
    if min(sides) < 1:
        raise ConfigError(f"expected {name} to be at least 1 pixel, got {value!r}")
    return sides


def plain_size(size: Size) -> int | Size:
    """Return the side of a square as one number, as descriptions and digests have always had it.

    Example:
        >>> plain_size((224, 224)), plain_size((224, 448))
        (224, (224, 448))
    """
    return size[0] if size[0] == size[1] else size


def spell_size(size: Sequence[int]) -> str:
    """Return a size as messages name it: height x width."""
    return f"{size[0]} x {size[1]}"
