"""Crops of a batch that are resized together, on the device that encodes them."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional as F


class Crops(NamedTuple):
    """B cut-outs of images, of any sizes, before they are resized.

    All pixels lie in one tensor. On the way from a worker each tensor takes a file descriptor, of
    which a process often has 1024, and each is pinned and copied to the device by itself.

    Attributes:
        pixels: Those of all cut-outs, one after the other, each in the order [h, w, 3].
        sizes: Height and width of each. Numbers, for a tensor would go to the device, and be waited
            for when the cut-outs are told apart.
        flips: Which of them are mirrored.

    Example:
        >>> wide, high = torch.zeros(3, 2, 8).byte(), torch.ones(3, 6, 4).byte()
        >>> crops = Crops.of([wide, high], torch.tensor([False, True]))
        >>> crops.pixels.shape, crops.sizes
        (torch.Size([120]), ((2, 8), (6, 4)))
        >>> crops.resized(4, 'bicubic').shape
        torch.Size([2, 3, 4, 4])
    """

    pixels: UInt8[Tensor, " all"]
    sizes: Sequence[Sequence[int]]
    flips: Bool[Tensor, " B"]

    @staticmethod
    def of(regions: Sequence[UInt8[Tensor, "3 _h _w"]], flips: Bool[Tensor, " B"]) -> "Crops":
        """Put cut-outs together.

        Args:
            regions: What was cut out.
            flips: Which of them are mirrored.
        """
        pixels = torch.cat([region.permute(1, 2, 0).flatten() for region in regions])
        return Crops(pixels, tuple((region.shape[1], region.shape[2]) for region in regions), flips)

    def regions(self) -> list[UInt8[Tensor, "3 _h _w"]]:
        """Return the cut-outs, as views of the pixels."""
        parts = self.pixels.split([3 * height * width for height, width in self.sizes])
        return [
            part.view(height, width, 3).permute(2, 0, 1)
            for part, (height, width) in zip(parts, self.sizes, strict=True)
        ]

    def resized(self, size: int, interpolation: str) -> UInt8[Tensor, "B 3 size size"]:
        """Resize with antialiasing and mirror, where the pixels are.

        What PIL makes of the same regions, but that PIL rounds and clips between its two passes:
        four values of five agree, others are off by 1 of 255, next to sharp edges by a few.
        """
        made = torch.stack([_resized(region, size, interpolation) for region in self.regions()])
        pixels = made.round_().clamp_(0, 255).to(torch.uint8)
        return torch.where(self.flips[:, None, None, None], pixels.flip(-1), pixels)


def _resized(
    region: UInt8[Tensor, "3 h w"], size: int, interpolation: str
) -> Float[Tensor, "3 size size"]:
    return F.interpolate(
        region[None].float(), (size, size), mode=interpolation, antialias=True, align_corners=False
    )[0]
