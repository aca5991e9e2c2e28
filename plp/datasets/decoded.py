"""Decoded images in memory: each file read once, before the workers start, for all of them."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from plp.datasets.base import Item
from plp.datasets.images import read_image
from plp.errors import DataError
from plp.transforms.pixels import Reading, ValueRange

_BLOCK = 2**26  # bytes of the smallest block
_BLOCKS = 16  # of a full memory; what filling takes besides is one block
_AHEAD = 4  # images a thread decodes before they are put away


class _Place(NamedTuple):
    """Where the pixels of an image are."""

    block: int
    start: int
    height: int
    width: int


@final
class DecodedImages(Mapping[int, Image.Image]):
    """Images by their position in a dataset, three bytes per pixel.

    All processes share the pixels, however they are started. One that is forked has the pages of
    its parent, and nobody writes to them; to one that is spawned torch's pickling of tensors hands
    shared memory. Therefore the pixels lie in a few blocks, not in a tensor an image: each block
    takes a file descriptor then.

    Args:
        blocks: The pixels, images one after the other, each in the order [h, w, 3].
        places: Where in them each image is.
    """

    def __init__(
        self, blocks: Sequence[UInt8[Tensor, " _bytes"]], places: Mapping[int, _Place]
    ) -> None:
        self.blocks = tuple(blocks)
        self._places = places

    def __getitem__(self, index: int) -> Image.Image:
        """Return a copy of an image."""
        block, start, height, width = self._places[index]
        pixels = self.blocks[block][start : start + 3 * height * width]
        return Image.fromarray(pixels.view(height, width, 3).numpy())

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def decode_images(
    items: Sequence[Item],
    root: str | Path,
    limit: int,
    workers: int = 4,
    exif: bool = False,
    value_range: ValueRange | None = None,
) -> DecodedImages:
    """Decode images in their order until the memory is full.

    Args:
        items: The images. Those that cannot be read are left out: `ImageDataset.read` says why.
        root: The folder their paths are relative to.
        limit: Bytes that all pixels may take.
        workers: Threads; decoders let go of Python's lock.
        exif: See `read_image`.
        value_range: Likewise.

    Example:
        >>> from plp.datasets import Textile
        >>> textile = Textile().splits()
        >>> decoded = decode_images(textile.train[:8], textile.root, limit=2**20)
        >>> len(decoded), decoded[0].size  # the sixth does not fit
        (5, (250, 250))
    """
    places: dict[int, _Place] = {}
    blocks: list[Tensor] = []
    waiting: list[Tensor] = []  # the next block's images
    used = start = 0
    for index, pixels in enumerate(
        _pixels(items, root, max(workers, 1), Reading(exif, value_range))
    ):
        if pixels is None:
            continue
        if used + pixels.numel() > limit:
            break
        if waiting and start + pixels.numel() > max(limit // _BLOCKS, _BLOCK):
            blocks.append(torch.cat(waiting))
            waiting, start = [], 0
        places[index] = _Place(len(blocks), start, *pixels.shape[:2])
        waiting.append(pixels.flatten())
        start += pixels.numel()
        used += pixels.numel()
    if waiting:
        blocks.append(torch.cat(waiting))
    return DecodedImages(blocks, places)


def _pixels(
    items: Sequence[Item], root: str | Path, workers: int, reading: Reading
) -> Iterator[UInt8[Tensor, "_h _w 3"] | None]:
    """Yield the images, few of which are in memory at a time; None for one that is unreadable."""

    def pixels(item: Item) -> UInt8[Tensor, "_h _w 3"] | None:
        try:
            return torch.from_numpy(np.array(read_image(Path(root) / item.path, *reading)))
        except DataError:
            return None

    Image.init()  # all formats at once: PIL loads them on demand, which is not safe in threads
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(items), _AHEAD * workers):
            yield from pool.map(pixels, items[start : start + _AHEAD * workers])
