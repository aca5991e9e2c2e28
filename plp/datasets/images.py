"""Decoding: image files in, tensors out, the same whatever the worker and the history."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from plp.datasets.base import Item
from plp.datasets.decoding import PLAIN, Decoded, decode_file
from plp.transforms.pixels import Reading, ValueRange


class View(NamedTuple):
    """One look at one image: a random transform gives each view other pixels.

    Attributes:
        item: Position of the image in the dataset.
        view: Number of the view; as a rule the epoch.
    """

    item: int
    view: int


class Sample(TypedDict):
    """What a dataset yields; a loader stacks each entry along a first axis B."""

    images: UInt8[Tensor, "3 H X"]
    labels: int
    indices: int


class ImageDataset(Dataset[Sample]):
    """Images of a list, decoded and transformed when asked for.

    Nothing here has a state: the pixels of a view depend on (seed, index, view) alone, so they are
    the same with any number of workers, in any order, after a resume, and whether or not images
    have been decoded before.

    Args:
        items: The images.
        root: The folder their paths are relative to.
        transform: Turns an RGB image into a tensor; random numbers from torch's generator.
        seed: Seed of the transform.
        exif: See `read_image`.
        class_names: Goes into `metainfo`, where mmengine looks for it.
        value_range: See `read_image`.

    Attributes:
        decoded: Images that are in memory, see `decode_images`; their files are not read. Set it
            before workers start. Worth it for few-shot training sets, which are decoded again each
            epoch.

    Example:
        >>> from plp.datasets import Textile
        >>> from plp.transforms import ClipEval
        >>> textile = Textile().splits()
        >>> dataset = ImageDataset(textile.train, textile.root, ClipEval(64))
        >>> sample = dataset[View(item=3, view=0)]
        >>> sample['images'].shape, sample['labels'], sample['indices']
        (torch.Size([3, 64, 64]), 0, 3)
    """

    def __init__(
        self,
        items: Sequence[Item],
        root: str | Path,
        transform: Callable[[Image.Image], UInt8[Tensor, "3 H X"]],
        seed: int = 0,
        exif: bool = False,
        class_names: Sequence[str] = (),
        value_range: ValueRange | None = None,
    ) -> None:
        self.items = tuple(items)
        self.root = Path(root)
        self.transform = transform
        self.seed = seed
        self.exif = exif
        self.value_range = value_range
        self.metainfo = {"classes": tuple(class_names)}
        self.decoded: Mapping[int, Image.Image] = {}

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, which: View | int) -> Sample:
        """Return a view of an image; a plain index means view 0.

        Raises:
            DataError: if the file is missing or no readable image.
        """
        index = which.item if isinstance(which, View) else which
        return self.sample(which, self.read(index))

    def sample(self, which: View | int, image: Image.Image) -> Sample:
        """Return a view of an image that is decoded already."""
        index, view = which if isinstance(which, View) else (which, 0)
        # Not torch.manual_seed: that reseeds the GPUs too.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(mix_seed(*self.draw(View(index, view))))
            pixels = self.transform(image)
        return Sample(images=pixels, labels=self.items[index].label, indices=index)

    def draw(self, which: View) -> tuple[int, int, int]:
        """Return what decides the random numbers of a view."""
        return self.seed, which.item, which.view

    @property
    def reading(self) -> Reading:
        """How the pixels of the files are understood."""
        return Reading(self.exif, self.value_range)

    def read(self, index: int) -> Image.Image:
        """Return a decoded image, from memory if it is kept there.

        Raises:
            DataError: if the file is missing or no readable image.
        """
        return self.look(index).image

    def look(self, index: int) -> Decoded:
        """Return a decoded image and what is known about its file; of one from memory, nothing.

        Raises:
            DataError: if the file is missing or no readable image.
        """
        if index in self.decoded:
            return Decoded(self.decoded[index], PLAIN)
        return decode_file(self.root / self.items[index].path, *self.reading)

    def only(self, places: Sequence[int]) -> "ImageDataset":
        """Return a dataset of some of the images, which are read in the same way."""
        return ImageDataset(
            [self.items[i] for i in places], self.root, self.transform, self.seed, self.exif,
            self.metainfo["classes"], self.value_range,
        )  # fmt: skip


def mix_seed(*numbers: int) -> int:
    """Return one 63-bit seed for several numbers, unrelated for numbers that differ.

    Example:
        >>> mix_seed(1, 2, 3) == mix_seed(1, 2, 3), mix_seed(1, 2, 3) == mix_seed(1, 3, 2)
        (True, False)
    """
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def read_image(
    path: str | Path, exif: bool = False, value_range: ValueRange | None = None
) -> Image.Image:
    """Decode an image file completely, to 8-bit RGB (see `to_rgb`).

    Args:
        path: The file; of an animation the first frame is read, of a TIFF the first page.
        exif: Turn the image upright by its EXIF orientation. Off, because CLIP, CoOp and the rest
            of the published code ignore it; switch it on for photographs straight from a camera.
        value_range: Black and white of images of more than 8 bits, see `to_rgb`. Colours of 16 bits
            count by their upper 8 bits, which are all that PIL keeps of them.

    Raises:
        DataError: if the file is missing, truncated, empty or no image, or a strip that is too
            long, with its name.
    """
    return decode_file(path, exif, value_range).image
