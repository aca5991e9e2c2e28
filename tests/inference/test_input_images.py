"""One image in every form it may come in; whatever is none is named and says what to do."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from plp.errors import DataError
from plp.inference.images import as_images, decode


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def one(image):
    (named,) = as_images(image)
    return np.asarray(decode(named))


def decode_all(images):
    for named in as_images(images):
        decode(named)


def test_all_forms_of_an_image_are_the_same_image(pixels, tmp_path):
    path = tmp_path / "ein Bild, größer.png"
    Image.fromarray(pixels).save(path)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    forms = [
        path, str(path), [path], Image.open(path), Image.fromarray(pixels), pixels, pixels[None],
        (pixels / 255).astype(np.float32), pixels / 255.0, pixels[:, ::-1][:, ::-1],
        tensor, tensor.float() / 255, tensor[None], (tensor.double() / 255).requires_grad_(),
    ]  # fmt: skip
    for form in forms:
        np.testing.assert_array_equal(one(form), pixels)


def test_grey_arrays_have_three_equal_channels(pixels):
    grey = pixels[..., 0]
    np.testing.assert_array_equal(one(grey), np.repeat(grey[..., None], 3, -1))


def test_half_precision_is_close_enough(pixels):
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    for dtype in (torch.float16, torch.bfloat16):
        found = one((tensor / 255).to(dtype)).astype(int)
        assert np.abs(found - pixels).max() <= 1


def test_batches_and_lists_keep_their_order(pixels, tmp_path):
    batch = np.stack([pixels, pixels[::-1]])
    assert [named.name for named in as_images(batch)] == ["image 1 of 2", "image 2 of 2"]
    np.testing.assert_array_equal(decode(as_images(batch)[1]), pixels[::-1])
    names = [named.name for named in as_images(iter([tmp_path / "b.png", "a.png", pixels]))]
    assert names == [str(tmp_path / "b.png"), "a.png", "image 3 of 3"]


def spoilt(value, dtype=np.float32):
    array = np.zeros((4, 4, 3), dtype)
    array[1, 2, 0] = value
    return array


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (spoilt(np.nan), "1 of 48 values are not finite"),
        (spoilt(np.inf), "1 of 48 values are not finite"),
        (spoilt(1.01), r"expected floats in \[0, 1\], got 0 to 1.01. Values up to 255"),
        (spoilt(-0.5), r"expected floats in \[0, 1\], got -0.5 to 0"),
        (spoilt(3, np.int64), "expected uint8, or floats in .0, 1., got int64"),
        (spoilt(1, bool), "got bool"),
        (spoilt(1, np.complex64), "got complex64"),
        (np.zeros((3, 8, 8), np.uint8), r"got \[3, 8, 8\]. Channels stand last in an array"),
        (np.zeros((8, 8, 4), np.uint8), r"got \[8, 8, 4\]. Leave the transparency out"),
        (np.zeros((8,), np.uint8), r"got \[8\]"),
        (np.zeros((2, 2, 8, 8, 3), np.uint8), r"got \[2, 2, 8, 8, 3\]"),
        (np.zeros((0, 8, 3), np.uint8), "expected pixels, got an empty array"),
        (np.zeros((1, 400000, 3), np.uint8), "too long a strip"),
        (torch.zeros(8, 8, 3), r"expected a tensor \[3, H, W\], got \[8, 8, 3\]"),
        (torch.full((3, 8, 8), torch.nan), "192 of 192 values are not finite"),
        (torch.zeros(3, 8, 8, dtype=torch.int32), "expected uint8"),
        (Image.new("F", (4, 4)), "floating-point pixels have no defined range"),
        (None, "got NoneType"),
        (7, "got int"),
        (b"photo.jpg", "got int"),
        ({"a": 1}, "got dict"),
        ([], "expected images, got an empty list"),
        (np.zeros((0, 8, 8, 3), np.uint8), "expected images, got an empty list"),
    ],
)
def test_what_is_no_image(image, message):
    with pytest.raises(DataError, match=message):
        decode_all(image)


def test_the_item_is_named(pixels):
    with pytest.raises(DataError, match=r"^image 2 of 3: 1 of 48 values are not finite"):
        decode_all([pixels, spoilt(np.nan), pixels])


@pytest.fixture
def bad_files(tmp_path, pixels):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    Image.fromarray(pixels).save(tmp_path / "whole.png")
    cut = (tmp_path / "whole.png").read_bytes()[:-900]
    (tmp_path / "cut.png").write_bytes(cut)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.png", "no such file"),
        ("empty.png", "the file is empty"),
        ("text.png", "not an image that PIL knows"),
        ("folder.png", "is a folder, expected an image"),
        ("cut.png", "truncated"),
        ("pipe.png", "is not a regular file"),
    ],
)
def test_files_that_are_no_image_are_named(bad_files, name, message):
    (named,) = as_images(bad_files / name)
    with pytest.raises(DataError, match=message) as caught:
        decode(named)
    assert name in str(caught.value)


def test_an_image_opened_but_cut_off(bad_files):
    with pytest.raises(DataError, match=r"^the image: "):
        one(Image.open(bad_files / "cut.png"))
