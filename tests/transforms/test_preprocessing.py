"""Preprocessing as a model's weights mean it, pixel for pixel what the libraries make of it."""

import math
from dataclasses import replace

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from sklearn.datasets import load_sample_images
from timm.data import create_transform
from torchvision.transforms.v2 import functional as F

from plp.backbones._openclip_spec import preprocessing_of
from plp.errors import ConfigError
from plp.registry import TRANSFORMS
from plp.transforms import Letterbox, Preprocessing, Squash, backbone_eval
from plp.transforms.pixels import to_rgb

HALF = (0.5, 0.5, 0.5)
PHOTOS = [Image.fromarray(image) for image in load_sample_images().images]
SHAPES = [(640, 427), (427, 640), (301, 97), (97, 301), (224, 224), (223, 225), (50, 31), (40, 400)]
SIZES = [(224, 224), (96, 96), (224, 448), (160, 64), (63, 64)]
MODES = ["shortest", "longest", "squash"]


def photo(width, height):
    """A part of a photograph, of an odd shape."""
    whole = PHOTOS[(width + height) % len(PHOTOS)]
    scale = max(width / whole.width, height / whole.height, 1)
    whole = whole.resize((math.ceil(whole.width * scale), math.ceil(whole.height * scale)))
    return whole.crop((0, 0, width, height))


def described(size, mode, interpolation="bicubic", fill=0):
    return Preprocessing(size, (0.0,) * 3, (1.0,) * 3, mode, interpolation, fill)


def theirs(how):
    """open_clip's own transform by the same description, in whole numbers."""
    transform = image_transform_v2(
        PreprocessCfg(
            how.size, mean=how.mean, std=how.std, interpolation=how.interpolation,
            resize_mode=how.resize_mode, fill_color=how.fill_color,
        ), is_train=False,
    )  # fmt: skip
    return lambda image: transform(image).mul(255).round().to(torch.uint8)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pixels_are_open_clips(size, mode, interpolation):
    how = described(size, mode, interpolation, fill=90)
    ours = backbone_eval(how)
    # open_clip's own transform forgets the interpolation of non-square 'shortest': bicubic it is.
    forgotten = mode == "shortest" and size[0] != size[1]
    expected = theirs(replace(how, interpolation="bicubic") if forgotten else how)
    compared = backbone_eval(replace(how, interpolation="bicubic")) if forgotten else ours
    for shape in SHAPES:
        image = photo(*shape)
        assert torch.equal(compared(image), expected(image)), shape
        assert ours(image).shape == (3, *size)


def test_what_open_clip_forgets_is_followed_here():
    how, image = described((64, 128), "shortest", "bilinear"), photo(301, 97)
    assert torch.equal(theirs(how)(image), theirs(replace(how, interpolation="bicubic"))(image))
    assert not torch.equal(backbone_eval(how)(image), theirs(how)(image))


@pytest.mark.parametrize("mode", MODES)
def test_other_modes_than_rgb_are_converted_before_they_are_resized(mode):
    """open_clip resizes the indices of a palette, then looks them up; plp never does."""
    how = described((64, 96), mode)
    image = photo(301, 97)
    clear = image.copy()
    clear.putalpha(Image.fromarray(np.tile(np.arange(301) % 256, (97, 1)).astype(np.uint8)))
    for other in (image.quantize(32), clear, image.convert("L"), image.convert("CMYK")):
        ours = backbone_eval(how)(other)
        assert torch.equal(ours, theirs(how)(to_rgb(other)))
    palette = image.quantize(32)
    assert not torch.equal(backbone_eval(how)(palette), theirs(how)(palette))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    ("crop_mode", "mode"), [("center", "shortest"), ("squash", "squash"), ("border", "longest")]
)
@pytest.mark.parametrize("crop_pct", [0.875, 0.9, 1.0])
def test_pixels_are_timms(size, crop_mode, mode, crop_pct):
    """timm resizes to more than it cuts out, and pads with the mean."""
    fill = (124, 116, 104)
    transform = create_transform(
        (3, *size), mean=[c / 255 for c in fill], std=(1.0,) * 3, crop_pct=crop_pct,
        crop_mode=crop_mode, interpolation="bicubic", normalize=False,
    )  # fmt: skip
    resize = tuple(math.floor(side / crop_pct) for side in size)
    how = Preprocessing(size, HALF, HALF, mode, "bicubic", fill, resize)
    for shape in SHAPES:
        image = photo(*shape)
        expected = transform(image)
        assert torch.equal(backbone_eval(how)(image), expected), shape


def test_it_is_one_of_the_named_transforms():
    """Caches of features and results of earlier versions have their names."""
    told = [repr(backbone_eval(described(size, mode))) for mode in MODES for size in SIZES[::2]]
    assert told == [
        "ClipEval(size=224, interpolation=bicubic)",
        "ClipEval(size=(224, 448), interpolation=bicubic)",
        "ClipEval(size=(63, 64), interpolation=bicubic)",
        "Letterbox(size=224, interpolation=bicubic, fill=0)",
        "Letterbox(size=(224, 448), interpolation=bicubic, fill=0)",
        "Letterbox(size=(63, 64), interpolation=bicubic, fill=0)",
        "Squash(size=224, interpolation=bicubic)",
        "Squash(size=(224, 448), interpolation=bicubic)",
        "Squash(size=(63, 64), interpolation=bicubic)",
    ]
    larger = replace(described((224, 224), "shortest"), resize=(256, 256))
    assert repr(backbone_eval(larger)) == (
        "ResizedCenterCrop(size=224, interpolation=bicubic, resize=256)"
    )
    larger = replace(described((289, 289), "squash"), resize=(346, 346))
    assert repr(backbone_eval(larger)) == "Squash(size=289, interpolation=bicubic, resize=346)"
    how = described((48, 48), "squash")
    built = TRANSFORMS.build(dict(type="BackboneEval"), size=1, preprocessing=how)
    assert repr(built) == repr(Squash(48))


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 2000), height=st.integers(1, 2000),
    rows=st.integers(1, 300), columns=st.integers(1, 300), mode=st.sampled_from(MODES),
)  # fmt: skip
def test_laws_of_the_window(width, height, rows, columns, mode):
    crop = backbone_eval(described((rows, columns), mode)).geometry(width, height)
    assert (crop.height, crop.width) == (rows, columns)
    sides = (
        (crop.left, crop.resize_width, columns),
        (crop.top, crop.resize_height, rows),
    )
    for offset, whole, window in sides:
        assert abs(whole - window - 2 * offset) <= 1, "centred"
        assert whole >= 1
        assert whole >= window or mode == "longest"
        assert whole <= window or mode != "longest"
    assert mode == "squash" or any(whole == window for _, whole, window in sides)


def test_padding_has_its_colour():
    white = Image.new("RGB", (100, 50), "white")
    pixels = Letterbox((40, 40), fill=(10, 20, 30))(white)
    assert pixels[:, 0, 0].tolist() == [10, 20, 30]
    assert pixels[:, 20, 20].tolist() == [255] * 3
    assert (pixels == 255).all(0).sum() == 40 * 20
    grey = Letterbox(40, fill=7)(F.to_pil_image(torch.zeros(3, 10, 3, dtype=torch.uint8)))
    assert set(grey.unique().tolist()) == {0, 7}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (dict(), ("shortest", "bicubic", 0)),
        (dict(resize_mode="squash", interpolation="bilinear"), ("squash", "bilinear", 0)),
        (dict(resize_mode="longest", fill_color=9), ("longest", "bicubic", 9)),
        (dict(interpolation="random", size=999, mode="RGB"), ("shortest", "bicubic", 0)),
        (dict(resize_mode=None, interpolation=None), ("shortest", "bicubic", 0)),
    ],
)
def test_what_open_clip_states_is_read(stated, expected):
    how = preprocessing_of({"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], **stated}, (32, 48))
    assert (how.resize_mode, how.interpolation, how.fill_color) == expected
    assert (how.size, how.mean, how.std) == ((32, 48), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (dict(resize_mode="stretch"), "resize_mode among shortest, longest, squash, got 'stretch'"),
        (dict(interpolation="nearest"), "interpolation among bicubic, bilinear, got 'nearest'"),
        (dict(fill_color=300), "fill_color to be a number from 0 to 255"),
        (dict(fill_color=(1, 2)), "fill_color"),
        (dict(size=(1, 2, 3)), r"size to be an integer number of pixels, or \(height, width\)"),
        (dict(size=(0, 3)), "size to be at least 1 pixel"),
        (dict(mean=(1, 2)), "mean to be a number a channel"),
        (dict(std=(1.0, 0.0, 1.0)), "std above 0"),
    ],
)
def test_what_cannot_be_is_refused(wrong, said, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # a user runs without
    right = dict(size=(8, 8), mean=HALF, std=HALF)
    with pytest.raises(ConfigError, match=said):
        Preprocessing(**right | wrong)
