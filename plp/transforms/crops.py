"""Crops of a batch that are resized together, on the device that encodes them."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional as F


class Crops(NamedTuple):
    """B cut-outs of images, of any sizes, before they are resized.

    Attributes:
        regions: What was cut out.
        flips: Which of them are mirrored.
    """

    regions: tuple[UInt8[Tensor, "3 h w"], ...]
    flips: Bool[Tensor, " B"]

    def resized(self, size: int, interpolation: str) -> UInt8[Tensor, "B 3 size size"]:
        """Resize with antialiasing and mirror, where the regions are.

        What PIL makes of the same regions, but that PIL rounds and clips between its two passes:
        four values of five agree, others are off by 1 of 255, next to sharp edges by a few.
        """
        made = torch.stack([_resized(region, size, interpolation) for region in self.regions])
        pixels = made.round_().clamp_(0, 255).to(torch.uint8)
        return torch.where(self.flips[:, None, None, None], pixels.flip(-1), pixels)


def _resized(
    region: UInt8[Tensor, "3 h w"], size: int, interpolation: str
) -> Float[Tensor, "3 size size"]:
    return F.interpolate(
        region[None].float(), (size, size), mode=interpolation, antialias=True, align_corners=False
    )[0]
