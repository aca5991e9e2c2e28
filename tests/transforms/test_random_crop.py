"""Random crops as numbers, against torchvision; and resized in a batch, against PIL."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF

from plp.transforms import FewShotTrain
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


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", SIZES[:4], ids=str)
def test_a_batch_resized_together_is_what_pil_makes_of_it(size, interpolation):
    """Four values of five are equal, the others off by one; see the docstring of `resized`."""
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
    error = (found.int() - torch.stack(expected).int()).abs()
    assert error.max() <= 2
    assert (error == 0).float().mean() > 0.7
    assert (error <= 1).float().mean() > 0.999


def test_sharp_noise_stays_within_a_tenth():
    """The worst there is: PIL clips overshoots after its first pass, this does not."""
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    whole = Crops.of([TF.pil_to_tensor(image)], torch.tensor([False])).resized(32, "bicubic")[0]
    expected = TF.pil_to_tensor(TF.resize(image, [32, 32], TF.InterpolationMode.BICUBIC))
    error = (whole.int() - expected.int()).abs()
    assert error.max() <= 26
    assert error.float().mean() < 0.5
