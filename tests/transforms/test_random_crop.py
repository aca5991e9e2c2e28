"""Random crops as numbers, against torchvision; and resized in a batch, against PIL."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF

from plp.testing.tensor_bytes import PeakTensorBytes
from plp.transforms import FewShotTrain
from plp.transforms import crops as crops_module
from plp.transforms.crops import Crops
from plp.transforms.random_crop import draw_crop

SIZES = [(500, 375), (375, 500), (64, 64), (301, 97), (1000, 30), (20, 900), (1, 1)]
PUBLISHED = (0.08, 1.0)


def smooth(width, height):
    """An image like a photograph: large soft blobs, a little noise."""
    generator = torch.Generator().manual_seed(width + height)
    coarse = torch.rand(1, 3, 8, 8, generator=generator)
    image = F.interpolate(coarse, (height, width), mode="bicubic")[0]
    image = image + 0.02 * torch.randn(image.shape, generator=generator)
    return TF.to_pil_image((255 * image.clamp(0, 1)).to(torch.uint8))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_boxes_are_torchvisions_from_the_same_seed(size):
    theirs = v2.RandomResizedCrop(8, scale=PUBLISHED)
    image = Image.new("RGB", size)
    for seed in range(50):
        found = draw_crop(*size, PUBLISHED, 0.5, torch.Generator().manual_seed(seed))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            expected = theirs.make_params([image])
            mirrored = not torch.rand(1) >= 0.5
        assert found._asdict() == expected | dict(flip=mirrored)


@pytest.mark.parametrize("size", SIZES[:4], ids=str)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_the_transform_is_torchvisions_to_the_bit(size, interpolation):
    ours = FewShotTrain(48, interpolation)
    theirs = v2.Compose(
        [
            v2.RandomResizedCrop(48, scale=PUBLISHED, interpolation=ours.mode),
            v2.RandomHorizontalFlip(0.5),
            v2.PILToTensor(),
        ]
    )
    image = smooth(*size)
    for seed in range(10):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            expected = theirs(image)
            torch.manual_seed(seed)
            assert torch.equal(ours(image), expected)


def test_areas_ratios_places_and_mirrors_follow_the_published_distribution():
    generator = torch.Generator().manual_seed(0)
    crops = [draw_crop(1000, 1000, PUBLISHED, 0.3, generator) for _ in range(4000)]
    top, left, height, width, flip = np.array(crops, dtype=float).T
    area, ratio = height * width / 1e6, np.log(width / height)
    assert abs(flip.mean() - 0.3) < 0.03
    assert area.min() > 0.079
    assert area.max() <= 1
    assert np.abs(ratio).max() < np.log(4 / 3) + 0.01
    # Boxes that stick out are drawn again, so that only those that cannot are uniform.
    small = area < 0.5
    quantiles = np.quantile(area[small], [0.25, 0.5, 0.75])
    assert np.abs(quantiles - (0.08 + 0.42 * np.array([0.25, 0.5, 0.75]))).max() < 0.02
    assert abs(ratio[small].mean()) < 0.02
    assert abs(ratio[small].std() - 2 * np.log(4 / 3) / np.sqrt(12)) < 0.01
    for offset, side in ((top, height), (left, width)):
        place = offset[small] / (1000 - side[small])
        assert abs(place.mean() - 0.5) < 0.03
        assert abs(place.std() - 1 / np.sqrt(12)) < 0.02


def by_pil(region, size, interpolation):
    """Rows first, then columns, whatever order this version of PIL takes."""
    image, mode = TF.to_pil_image(region), Image.Resampling[interpolation.upper()]
    return TF.pil_to_tensor(image.resize((size, image.height), mode).resize((size, size), mode))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", SIZES[:4], ids=str)
def test_a_batch_resized_together_is_what_pil_makes_of_it(size, interpolation):
    transform, image = FewShotTrain(32, interpolation), smooth(*size)
    pixels = TF.pil_to_tensor(image)
    regions, flips, expected = [], [], []
    for seed in range(12):
        crop = transform.draw(*size, torch.Generator().manual_seed(seed))
        rows, columns = (
            slice(crop.top, crop.top + crop.height),
            slice(crop.left, crop.left + crop.width),
        )
        regions.append(pixels[:, rows, columns])
        flips.append(crop.flip)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            expected.append(transform(image))
    assert set(flips) == {True, False}
    found = Crops.of(regions, torch.tensor(flips)).resized(32, interpolation)
    assert (found.shape, found.dtype) == ((12, 3, 32, 32), torch.uint8)
    for one, region, flip in zip(found, regions, flips, strict=True):
        assert torch.equal(one.flip(-1) if flip else one, by_pil(region, 32, interpolation))
    assert (found.int() - torch.stack(expected).int()).abs().max() <= 2  # in any order


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("shape", [(90, 120), (32, 32), (5, 200), (300, 1), (1, 1), (31, 33)])
def test_noise_too(shape, interpolation):
    """The worst there is: after the first pass overshoots are clipped, as in PIL."""
    region = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8))
    found = Crops.of([region], torch.tensor([False])).resized(32, interpolation)[0]
    assert torch.equal(found, by_pil(region, 32, interpolation))


def test_an_image_does_not_see_its_neighbours(monkeypatch):
    noise = np.random.default_rng(1)
    shapes = [(40, 60), (9, 100), (80, 7), (33, 33), (64, 64)]
    regions = [torch.from_numpy(noise.integers(0, 256, (3, *shape), np.uint8)) for shape in shapes]
    flips = torch.tensor([False, True, False, True, True])
    together = Crops.of(regions, flips).resized(16, "bicubic")
    for place, region in enumerate(regions):
        alone = Crops.of([region], flips[place : place + 1]).resized(16, "bicubic")
        assert torch.equal(together[place], alone[0])
    for most in (1, 64 * 80 * 100 * 2):  # one at a time; two
        monkeypatch.setattr("plp.transforms.crops._CPU_BYTES", most)
        assert torch.equal(Crops.of(regions, flips).resized(16, "bicubic"), together)


def test_memory_is_bounded_whatever_the_size():
    regions = [torch.zeros(3, *shape, dtype=torch.uint8) for shape in [(2000, 3000), (300, 400)]]
    crops = Crops.of(regions, torch.tensor([False, True]))
    with PeakTensorBytes() as used:
        crops.resized(32, "bicubic")
    rows = 2000 * 32 * 3 * 8  # what the first pass leaves
    assert used.peak < 1.25 * crops_module._CPU_BYTES + 3 * rows


def test_parts_of_a_batch_hold_what_they_may():
    sizes = [(10, 10), (10, 20), (50, 10), (5, 5), (100, 100)]
    parts = list(crops_module._parts(sizes, 64 * 10 * 20 * 2))
    assert parts == [(0, 2), (2, 3), (3, 4), (4, 5)]
    for first, end in parts:
        tall, wide = (max(one[axis] for one in sizes[first:end]) for axis in (0, 1))
        assert end - first == 1 or (end - first) * tall * wide <= 10 * 20 * 2


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_a_batch_for_an_input_that_is_not_square(interpolation):
    """Height first; on the device as on the CPU, and the boxes are those of any size."""
    transform, image = FewShotTrain((24, 56), interpolation), smooth(300, 200)
    theirs = v2.Compose(
        [
            v2.RandomResizedCrop((24, 56), scale=PUBLISHED, interpolation=transform.mode),
            v2.RandomHorizontalFlip(0.5),
            v2.PILToTensor(),
        ]
    )
    pixels = TF.pil_to_tensor(image)
    regions, flips, expected = [], [], []
    for seed in range(6):
        crop = transform.draw(300, 200, torch.Generator().manual_seed(seed))
        rows = slice(crop.top, crop.top + crop.height)
        regions.append(pixels[:, rows, crop.left : crop.left + crop.width])
        flips.append(crop.flip)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            expected.append(transform(image))
            torch.manual_seed(seed)
            assert torch.equal(theirs(image), expected[-1])
    found = Crops.of(regions, torch.tensor(flips)).resized((24, 56), interpolation)
    assert found.shape == (6, 3, 24, 56)
    assert (found.int() - torch.stack(expected).int()).abs().max() <= 2
