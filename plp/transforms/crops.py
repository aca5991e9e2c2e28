"""Crops of a batch that are resized together, on the device that encodes them."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float64, Int, UInt8
from torch import Tensor

from plp.transforms.resampling import weights, whole_numbers
from plp.transforms.size import Size, SizeLike, read_size
from plp.upload import upload

# Bytes of a pixel on the way through the first pass: its place as an int64, its three values in
# float64, and again in the order of the product. And of all pixels of a part: on a CPU more does
# not fit its cache; on a GPU each part costs the start of some thirty kernels (not measured).
_PIXEL = 64
_CPU_BYTES, _GPU_BYTES = 16 * 2**20, 2**29


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

    def resized(self, size: SizeLike, interpolation: str) -> UInt8[Tensor, "B 3 H X"]:
        """Resize with antialiasing and mirror, where the pixels are: what PIL makes of them.

        The size is a side, or height and width.

        Rows are resized first, then columns, bit for bit as PIL does it. (PIL 13 begins with the
        columns at some sizes. This is then off from it wherever the first pass overshoots and is
        clipped: at sharp edges by 17 of 255 and more, see docs/performance.md.)
        """
        size = read_size("size", size)
        home = self.pixels.device
        pixels = self.pixels.cpu() if home.type == "mps" else self.pixels  # which has no float64
        most = _CPU_BYTES if pixels.device.type == "cpu" else _GPU_BYTES
        starts = [0, *accumulate(3 * height * width for height, width in self.sizes)]
        made = []
        for first, end in _parts(self.sizes, most):
            part = pixels[starts[first] : starts[end]].view(-1, 3)
            made.append(_resized(part, self.sizes[first:end], size, interpolation, most))
        resized = torch.cat(made).to(home)
        return torch.where(self.flips[:, None, None, None], resized.flip(-1), resized)


def _parts(sizes: Sequence[Sequence[int]], most: int) -> Iterator[tuple[int, int]]:
    """Cut a batch into parts whose images, padded to one size, take at most so many bytes."""
    first, tall, wide = 0, 0, 0
    for place, (height, width) in enumerate(sizes):
        tall, wide = max(tall, height), max(wide, width)
        if place > first and (place + 1 - first) * tall * wide * _PIXEL > most:
            yield first, place
            first, tall, wide = place, height, width
    yield first, len(sizes)


def _resized(
    pixels: UInt8[Tensor, "all 3"],
    sizes: Sequence[Sequence[int]],
    size: Size,
    interpolation: str,
    most: int,
) -> UInt8[Tensor, "b 3 H X"]:
    """Resize a part of a batch: first along rows, some at a time, then along columns."""
    heights, widths = upload(torch.tensor(sizes), pixels.device).unbind(-1)
    tall, wide = (max(one[axis] for one in sizes) for axis in (0, 1))
    areas = heights * widths
    starts = areas.cumsum(0) - areas
    along = weights(widths, wide, size[1], interpolation)  # [b, X, wide]
    strip = max(most // (len(sizes) * wide * _PIXEL), 1)
    strips = []
    for first in range(0, tall, strip):
        rows = _rows(pixels, starts, widths, range(first, min(first + strip, tall)), wide)
        strips.append(whole_numbers(torch.einsum("biw,bhwc->bhic", along, rows)))
    down = weights(heights, tall, size[0], interpolation)  # [b, H, tall]
    return whole_numbers(torch.einsum("bjh,bhic->bcji", down, torch.cat(strips, 1))).to(torch.uint8)


def _rows(
    pixels: UInt8[Tensor, "all 3"],
    starts: Int[Tensor, " b"],
    widths: Int[Tensor, " b"],
    rows: range,
    wide: int,
) -> Float64[Tensor, "b rows wide 3"]:
    """Lay the same rows of images side by side.

    Beyond its end an image has some pixel, which counts nothing.
    """
    row = torch.arange(rows.start, rows.stop, device=pixels.device)[None, :, None]
    column = torch.arange(wide, device=pixels.device)[None, None, :]
    place = starts[:, None, None] + row * widths[:, None, None] + column
    return pixels[place.clamp_(max=len(pixels) - 1)].double()
