"""How many processes are worth starting to decode images, and how they are started."""

import sys
from pathlib import Path
from typing import Any

from plp.datasets.images import ImageDataset

SMALL = 2.0  # seconds of decoding by one process
# On a core of a server: 4 ms for a photograph of 500 x 375 pixels, 160 ms for one of 12 million.
_SECONDS_AN_IMAGE = 1e-3
_BYTES_A_SECOND = 35e6


def decoders(dataset: Any, asked: int, looks: int | float = 1) -> int:
    """Return how many processes decode images: those asked for, or none for a small set.

    Small is what this process decodes in `SMALL` seconds, by the sizes of the files: an image takes
    1 ms, and its file 1 s for 35 MB. Two processes would save a second at most, and starting them
    takes as long where it means to import torch. What is decoded does not depend on it.

    Args:
        dataset: An `ImageDataset`, or one that has it as `images`; of any other nothing is known.
        asked: `data.num_workers`.
        looks: How often each image is decoded.

    Example:
        >>> from plp.datasets import Textile
        >>> from plp.transforms import ClipEval
        >>> textile = Textile().splits()
        >>> shots = ImageDataset(textile.train[:48], textile.root, ClipEval(224))
        >>> decoders(shots, 2), decoders(shots, 2, looks=50)
        (0, 2)
    """
    images = getattr(dataset, "images", dataset)
    if asked and isinstance(images, ImageDataset) and _is_small(images, looks):
        return 0
    return asked


def start_method() -> str | None:
    """Return how processes that decode are started: as copies of this one, where that is safe.

    Others import torch, seconds each; it is what processes of a comparison would do by themselves,
    because they have been started so, and every process from Python 3.14 on.
    """
    return "fork" if sys.platform == "linux" else None


def _is_small(images: ImageDataset, looks: int | float) -> bool:
    seconds = 0.0
    for index, item in enumerate(images.items):
        size = 0 if index in images.decoded else _size(images.root / item.path)
        seconds += looks * (_SECONDS_AN_IMAGE + size / _BYTES_A_SECOND)
        if seconds > SMALL:
            return False
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # who decodes it will say so
        return 0
