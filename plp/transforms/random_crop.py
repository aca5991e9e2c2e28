"""The field's random crop as numbers: where to cut, and whether to mirror."""

import math
from typing import NamedTuple

import torch

_RATIO = (3 / 4, 4 / 3)  # width to height, of the published augmentation
_ATTEMPTS = 10


class RandomCrop(NamedTuple):
    """A look at an image.

    Attributes:
        top: Rows above it.
        left: Columns left of it.
        height: Rows it has, before it is resized.
        width: Columns it has.
        flip: Whether it is mirrored.
    """

    top: int
    left: int
    height: int
    width: int
    flip: bool


def draw_crop(
    width: int, height: int, scale: tuple[float, float], flip: float, generator: torch.Generator
) -> RandomCrop:
    """Draw a crop as torchvision's RandomResizedCrop and RandomHorizontalFlip do.

    From a generator of the same seed it is the very same crop: share of the area and logarithm of
    the ratio are uniform, ten boxes are tried until one fits, then comes the largest centred box of
    an admissible ratio.

    Args:
        width: Of the image, in pixels.
        height: Of the image.
        scale: Least and most area, as shares of the image.
        flip: Probability of a mirror image.
        generator: Where the random numbers come from.

    Example:
        >>> draw_crop(300, 200, (1.0, 1.0), 0.0, torch.Generator().manual_seed(0))
        RandomCrop(top=0, left=16, height=200, width=267, flip=False)
    """
    box = _box(width, height, scale, generator)
    return RandomCrop(*box, bool(torch.rand(1, generator=generator) < flip))


def _box(
    width: int, height: int, scale: tuple[float, float], generator: torch.Generator
) -> tuple[int, int, int, int]:
    low, high = (math.log(ratio) for ratio in _RATIO)
    for _ in range(_ATTEMPTS):
        area = height * width * torch.empty(1).uniform_(*scale, generator=generator).item()
        ratio = torch.empty(1).uniform_(low, high, generator=generator).exp().item()
        columns, rows = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < columns <= width and 0 < rows <= height:
            top, left = (
                int(torch.randint(0, room + 1, size=(1,), generator=generator))
                for room in (height - rows, width - columns)
            )
            return top, left, rows, columns
    columns, rows = width, height
    if width / height < _RATIO[0]:
        rows = round(width / _RATIO[0])
    elif width / height > _RATIO[1]:
        columns = round(height * _RATIO[1])
    return (height - rows) // 2, (width - columns) // 2, rows, columns
