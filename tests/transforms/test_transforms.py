"""One suite for all transforms, and each against the library that the field uses for it."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.transform import image_transform
from PIL import Image
from torchvision import transforms as tv

from plp.errors import ConfigError
from plp.registry import TRANSFORMS
from plp.transforms import (
    ClipEval,
    EvalTransform,
    FewShotTrain,
    ResizedCenterCrop,
    Squash,
)
from plp.transforms.base import Transform

NAMES = ["ClipEval", "FewShotTrain", "Letterbox", "ResizedCenterCrop", "Squash"]
EVAL = [ClipEval, ResizedCenterCrop, Squash]
SIZES = [(224, 224), (500, 375), (375, 500), (64, 64), (301, 97), (1000, 30), (225, 224), (1, 1)]
BICUBIC = tv.InterpolationMode.BICUBIC
BILINEAR = tv.InterpolationMode.BILINEAR


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    generator = np.random.default_rng(width * 10007 + height)
    pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def test_the_registry_holds_what_is_tested_here():
    built = {name: TRANSFORMS.get(name) for name in TRANSFORMS.names()}
    ours = {name for name, one in built.items() if isinstance(one, type)}
    assert ours == set(NAMES)
    assert all(issubclass(built[name], Transform) for name in ours)
    assert set(built) - ours == {"BackboneEval"}  # one of the above, see test_preprocessing.py


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def build(self, name, **keywords):
        inputs = {"size": 32, "interpolation": "bilinear", "unrelated": 1}
        return TRANSFORMS.build(dict(type=name, **keywords), **inputs)

    def test_size_and_interpolation_are_filled_in(self, name):
        transform = self.build(name)
        assert (transform.size, transform.interpolation) == ((32, 32), "bilinear")
        assert self.build(name, size=16).size == (16, 16)
        assert self.build(name, size=[16, 24]).size == (16, 24)

    @pytest.mark.parametrize("size", SIZES, ids=str)
    def test_height_comes_first(self, name, size):
        assert self.build(name, size=(24, 40))(noise(*size)).shape == (3, 24, 40)

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
    def test_any_mode_gives_uint8_pixels(self, name, mode):
        image = Image.new("I;16", (40, 50)) if mode == "I;16" else noise(40, 50, mode)
        pixels = self.build(name)(image)
        assert (pixels.shape, pixels.dtype) == ((3, 32, 32), torch.uint8)

    @pytest.mark.parametrize("size", SIZES, ids=str)
    def test_any_size_of_image(self, name, size):
        assert self.build(name)(noise(*size)).shape == (3, 32, 32)

    def test_it_can_be_sent_to_a_worker_process(self, name):
        transform = self.build(name)
        copy = pickle.loads(pickle.dumps(transform))
        torch.manual_seed(0)
        pixels = transform(noise(50, 40))
        torch.manual_seed(0)
        assert torch.equal(copy(noise(50, 40)), pixels)

    def test_describe_tells_every_setting(self, name):
        text = self.build(name).describe()
        assert text.startswith(f"{name}(size=32, interpolation=bilinear")
        assert text == repr(self.build(name))
        assert text != self.build(name, size=48).describe()
        wide = self.build(name, size=(32, 48)).describe()
        assert wide.startswith(f"{name}(size=(32, 48), interpolation=bilinear")

    def test_wrong_settings(self, name):
        with pytest.raises(ConfigError, match="size to be at least 1 pixel, got 0"):
            self.build(name, size=0)
        with pytest.raises(ConfigError, match="size"):
            self.build(name, size=32.5)
        with pytest.raises(ConfigError, match=r"'bicubic'.*got 'nearest'"):
            self.build(name, interpolation="nearest")


@pytest.mark.parametrize("size", SIZES[:-1], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_clip_eval_is_open_clip_s_to_the_bit(size, mode, interpolation):
    theirs = image_transform(
        224, is_train=False, mean=(0.0,) * 3, std=(1.0,) * 3, interpolation=interpolation
    )
    image = noise(*size, mode)
    expected = theirs(image).mul(255).round().to(torch.uint8)
    assert torch.equal(ClipEval(224, interpolation)(image), expected)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_resized_center_crop_is_torchvisions(size):
    theirs = tv.Compose([tv.Resize(256, interpolation=BICUBIC), tv.CenterCrop(224)])
    image = noise(*size)
    expected = tv.functional.pil_to_tensor(theirs(image))
    assert torch.equal(ResizedCenterCrop(224)(image), expected)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_squash_resizes_both_sides(size):
    image = noise(*size)
    expected = np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(Squash(224)(image).permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("interpolation", "mode"), [("bicubic", BICUBIC), ("bilinear", BILINEAR)])
def test_few_shot_train_is_the_published_one(seed, interpolation, mode):
    published = tv.Compose(
        [tv.RandomResizedCrop(96, scale=(0.08, 1.0), interpolation=mode), tv.RandomHorizontalFlip()]
    )
    image = noise(200, 150)
    torch.manual_seed(seed)
    expected = tv.functional.pil_to_tensor(published(image))
    torch.manual_seed(seed)
    assert torch.equal(FewShotTrain(96, interpolation)(image), expected)


def test_few_shot_train_flips_as_told():
    ramp = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8), (64, 1)))
    for flip, sign in ((0.0, 1), (1.0, -1)):
        pixels = FewShotTrain(32, scale=(0.5, 1.0), flip=flip)(ramp).int()
        assert sign * (pixels[0, 0, -1] - pixels[0, 0, 0]) > 0


@pytest.mark.parametrize("scale", [(0.5,), (0.0, 1.0), (0.9, 0.5), (0.5, 2.0)])
def test_few_shot_train_refuses_a_bad_scale(scale):
    with pytest.raises(ConfigError, match="scale"):
        FewShotTrain(32, scale=scale)


def test_few_shot_train_refuses_a_bad_flip():
    with pytest.raises(ConfigError, match=r"flip to be a probability, got 2.0"):
        FewShotTrain(32, flip=2.0)


def test_resize_keeps_its_proportion_and_its_bound():
    boxes = [ResizedCenterCrop(size).resize for size in (224, 336, 64, (224, 112))]
    assert boxes == [(256, 256), (384, 384), (73, 73), (256, 128)]
    assert ResizedCenterCrop((224, 112), resize=128).resize == (256, 128), "the short side"
    with pytest.raises(ConfigError, match="resize to be at least size=224, got 200"):
        ResizedCenterCrop(224, resize=200)


sides = st.integers(1, 3000)


@settings(max_examples=50, deadline=None)
@given(width=sides, height=sides, kind=st.sampled_from(EVAL), size=st.integers(1, 512))
def test_the_square_lies_inside_the_resized_image(width, height, kind, size):
    crop = kind(size).geometry(width, height)
    assert (crop.width, crop.height) == (size, size)
    assert 0 <= crop.left <= crop.resize_width - size
    assert 0 <= crop.top <= crop.resize_height - size
    # Centred: the two margins differ by a pixel at most.
    assert abs(crop.resize_width - size - 2 * crop.left) <= 1
    assert abs(crop.resize_height - size - 2 * crop.top) <= 1


@settings(max_examples=50, deadline=None)
@given(width=sides, height=sides, short=st.integers(1, 512))
def test_the_geometry_is_torchvision_s(width, height, short):
    from torchvision.transforms.functional import _compute_resized_output_size

    crop = ClipEval(short).geometry(width, height)
    expected = _compute_resized_output_size((height, width), [short])
    assert [crop.resize_height, crop.resize_width] == expected


@pytest.mark.parametrize("kind", EVAL)
def test_the_geometry_tells_where_a_pixel_goes(kind):
    """A bright dot is found where the geometry says, so that maps can be drawn back."""
    width, height, x, y = 400, 300, 220, 130
    pixels = np.zeros((height, width), dtype=np.uint8)
    pixels[y - 4 : y + 5, x - 4 : x + 5] = 255
    transform: EvalTransform = kind(112)
    crop = transform.geometry(width, height)
    found = (transform(Image.fromarray(pixels))[0] > 100).nonzero().double().mean(0)
    expected_x = (x + 0.5) * crop.resize_width / width - crop.left - 0.5
    expected_y = (y + 0.5) * crop.resize_height / height - crop.top - 0.5
    torch.testing.assert_close(
        found, torch.tensor([expected_y, expected_x], dtype=torch.double), atol=0.5, rtol=0
    )
