"""Decoding ahead: the next images are read while the learner looks at these."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from plp.checks import check_integer
from plp.datasets.decoding import PLAIN, Traits
from plp.datasets.pixel_notes import later_notes
from plp.errors import DataError
from plp.inference.images import Named, look_at
from plp.inference.prediction import Unreadable
from plp.transforms import Transform
from plp.transforms.pixels import Reading

Found = TypeVar("Found")
_AS_PUBLISHED = Reading()

logger = logging.getLogger("plp")


class Chunk(NamedTuple):
    """Images that are looked at together.

    Attributes:
        names: Of all of them, in order.
        pixels: Of those that could be read; None if none could.
        unreadable: The others by their place in `names`.
    """

    names: tuple[str, ...]
    pixels: UInt8[Tensor, "B 3 size size"] | None
    unreadable: dict[int, Unreadable]

    @property
    def readable_names(self) -> tuple[str, ...]:
        """Names of the images in `pixels`."""
        return tuple(name for i, name in enumerate(self.names) if i not in self.unreadable)

    def with_unreadable(self, found: Iterable[Found]) -> list[Found | Unreadable]:
        """Return what was found about the images in `pixels`, with the others in their places."""
        good = iter(found)
        places = range(len(self.names))
        return [self.unreadable[i] if i in self.unreadable else next(good) for i in places]


class _Pixels(NamedTuple):
    """An image that could be read."""

    pixels: Tensor
    traits: Traits


def read_chunks(
    images: Sequence[Named],
    transform: Transform,
    batch_size: int,
    workers: int,
    reading: Reading = _AS_PUBLISHED,
) -> Iterator[Chunk]:
    """Decode and transform images in their order, at most two chunks at a time in memory.

    At the end a warning tells which of them may have been read otherwise than they were meant.

    Args:
        images: What to read.
        transform: Makes the pixels a backbone takes.
        batch_size: Images a chunk.
        workers: Threads that decode; decoders let go of Python's lock.
        reading: How the pixels of files are understood.
    """

    def read(named: Named) -> _Pixels | Unreadable:
        try:
            found = look_at(named, reading)
            return _Pixels(transform(found.image), found.traits)
        except DataError as error:
            return Unreadable(named.name, str(error))

    Image.init()  # all formats at once: PIL loads them on demand, which is not safe in threads
    if not images:
        return
    traits: list[Traits] = []
    alike: dict[Traits, Traits] = {}  # one object for all images of the same traits
    parts = [images[i : i + batch_size] for i in range(0, len(images), batch_size)]
    with ThreadPoolExecutor(workers, thread_name_prefix="plp-read") as pool:
        ahead: list[Future] = [pool.submit(read, named) for named in parts[0]]
        try:
            for number, part in enumerate(parts):
                futures, following = ahead, parts[number + 1 : number + 2]
                ahead = [pool.submit(read, named) for named in following[0]] if following else []
                found = [future.result() for future in futures]
                good = [one.traits for one in found if isinstance(one, _Pixels)]
                traits += [alike.setdefault(one, one) for one in good if one != PLAIN]
                yield _chunk(part, found)
        finally:  # the consumer stopped early: what is not begun need not be
            for future in ahead:
                future.cancel()
    for note in later_notes(traits, len(images), reading):
        logger.warning(note)


def _chunk(part: Sequence[Named], found: Sequence[_Pixels | Unreadable]) -> Chunk:
    good = [one for one in found if isinstance(one, _Pixels)]
    return Chunk(
        tuple(named.name for named in part),
        torch.stack([one.pixels for one in good]) if good else None,
        {place: one for place, one in enumerate(found) if isinstance(one, Unreadable)},
    )


def check_counts(**numbers: object) -> None:
    """Refuse what cannot be a number of images, classes or threads.

    Raises:
        ConfigError: naming the argument.
    """
    for name, value in numbers.items():
        check_integer(name, value)
