from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plp.datasets import Item

MakeImages = Callable[[Path, Mapping[str, int]], None]


@pytest.fixture
def make_images() -> MakeImages:
    """Write `count` tiny images, each of other pixels, into each folder named."""

    def make(root: Path, folders: Mapping[str, int]) -> None:
        for number, (folder, count) in enumerate(folders.items()):
            (root / folder).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                pixels = np.full((12, 16, 3), (number * 40, i * 7, 99), dtype=np.uint8)
                Image.fromarray(pixels).save(root / folder / f"{i:03d}.png")

    return make


@pytest.fixture
def noise_items(tmp_path) -> tuple[Item, ...]:
    """Write ten images of noise, 50x40, two classes in turn, into `tmp_path`."""
    generator = np.random.default_rng(0)
    for i in range(10):
        pixels = generator.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    return tuple(Item(f"{i}.png", i % 2) for i in range(10))
