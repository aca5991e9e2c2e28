"""Crops for the device come from many workers where a process may open few files."""

import itertools

import numpy as np
import pytest
import torch
from mmengine.model import BaseDataPreprocessor
from PIL import Image
from processes import context

from plp.datasets import ImageDataset, Item, View, build_loader
from plp.engine.crop_dataset import CropDataset
from plp.transforms import FewShotTrain
from plp.transforms.crops import Crops

resource = pytest.importorskip("resource", reason="limits of a process are those of POSIX")

BATCH, FILES = 128, 100


@pytest.fixture
def folder(tmp_path):
    """Four images of noise, 17 to 47 pixels high."""
    generator = np.random.default_rng(0)
    for i in range(4):
        pixels = generator.integers(0, 256, (17 + 10 * i, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    return tmp_path


def crops_of(folder, count):
    items = [Item(f"{i % 4}.png", i % 2) for i in range(count)]
    return CropDataset(ImageDataset(items, folder, FewShotTrain(16)))


def load(folder):
    """Load seven batches by three workers, in a process that may then open few files."""
    torch.set_num_threads(1)
    crops = crops_of(folder, 7 * BATCH)
    many, one = (
        build_loader(crops, BATCH, shuffle=False, num_workers=workers).loader for workers in (3, 0)
    )
    under_way = iter(many)
    # Not in the workers: one that fails to send a batch is waited for without end.
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    batches = [batch["images"] for batch in under_way]
    assert len(batches) == 7
    for batch, expected in zip(batches, (batch["images"] for batch in one), strict=True):
        assert batch.sizes == expected.sizes
        assert torch.equal(batch.pixels, expected.pixels)
        assert torch.equal(batch.flips, expected.flips)


@pytest.mark.slow
def test_a_batch_takes_fewer_files_than_images(folder):
    child = context.Process(target=load, args=(folder,))
    child.start()
    child.join(120)
    if child.is_alive():
        child.kill()
    assert child.exitcode == 0


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_regions_are_resized_as_each_alone(folder, interpolation):
    crops = crops_of(folder, 12)
    samples = [crops[View(*which)] for which in itertools.product(range(12), range(2))]
    batch = crops.collate(samples)["images"]
    for region, sample in zip(batch.regions(), samples, strict=True):
        assert torch.equal(region, sample.region)
    found = batch.resized(16, interpolation)
    for pixels, sample in zip(found, samples, strict=True):
        alone = Crops.of([sample.region], torch.tensor([sample.flip])).resized(16, interpolation)
        assert torch.equal(pixels, alone[0])


def test_sizes_stay_numbers_where_pixels_move_to_a_device(folder):
    crops = crops_of(folder, 3)
    batch = crops.collate([crops[i] for i in range(3)])
    moved = BaseDataPreprocessor().to("meta")(batch)["images"]  # what learners prepare batches by
    assert moved.pixels.device.type == "meta"
    assert moved.sizes == batch["images"].sizes
