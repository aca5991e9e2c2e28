from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
