"""Synthetic photographs on the disk, and the time that loading them takes."""

import tempfile
from pathlib import Path

import torch
from _bench import Clock


def write_images(folder: Path, count: int) -> list[Path]:
    """Write JPEG files of a photograph's size, smooth enough to be compressed like one."""
    from torchvision.io import write_jpeg

    generator = torch.Generator().manual_seed(1)
    paths = [folder / f"{i}.jpg" for i in range(count)]
    for path in paths:
        coarse = torch.rand(1, 3, 24, 32, generator=generator)
        image = torch.nn.functional.interpolate(coarse, (375, 500), mode="bicubic")[0]
        write_jpeg((255 * image.clamp(0, 1)).to(torch.uint8), str(path), quality=90)
    return paths


def data_stage(clock: Clock, batch: int, repeats: int) -> None:
    """Decode and augment a batch as a training run without workers does; alike in all variants."""
    from plp.datasets import ImageDataset, Item
    from plp.transforms import FewShotTrain

    with tempfile.TemporaryDirectory() as name:
        items = [Item(path.name, 0) for path in write_images(Path(name), batch)]
        images = ImageDataset(items, name, FewShotTrain(224))
        images[0]  # opening the first one imports what decodes it
        for _ in range(repeats):
            with clock("data"):
                torch.stack([images[i]["images"] for i in range(batch)])
