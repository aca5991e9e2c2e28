"""Maps land where the model looked: the real transform, run on a planted image, is the oracle."""

from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from plp.transforms import ClipEval, CropGeometry, Letterbox, ResizedCenterCrop, Squash
from plp.visualization import on_image, patch_box

SIZES = [(300, 200), (200, 300), (224, 224), (500, 130), (97, 411), (60, 50)]


def patch_means(transform, image, grid):
    """Brightness of each patch of what the backbone is given."""
    pixels = transform(Image.fromarray(image)).float().mean(0)[None]
    return F.adaptive_avg_pool2d(pixels, grid)[0].numpy() / 255


@pytest.mark.parametrize(
    "transform",
    [
        ClipEval(224), ResizedCenterCrop(224), Squash(224), ClipEval((112, 224)),
        ClipEval((224, 112)), Squash((112, 224)), Squash(224, resize=256),
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("grid", [(7, 7), (14, 14)])
def test_a_planted_patch_lights_up_where_it_is(transform, width, height, grid):
    crop = transform.geometry(width, height)
    for patch in (0, 8, grid[0] * grid[1] // 2, grid[0] * grid[1] - 1):
        box = patch_box(patch, grid, crop, width, height)
        image = np.zeros((height, width, 3), np.uint8)
        left, top, right, bottom = (ceil(edge - 0.5 - 1e-9) for edge in box)  # of centres inside
        image[top:bottom, left:right] = 255
        means = patch_means(transform, image, grid)
        assert means.argmax() == patch
        shown = on_image(means, crop, width, height)
        smooth = on_image(means, crop, width, height, smooth=True)
        bright = image[..., 0] > 0
        for one in (shown, smooth):
            row, column = np.unravel_index(np.nanargmax(one), one.shape)
            assert bright[row, column]
        assert np.nanmean(shown[bright]) > 0.5
        assert np.nanmean(shown[~bright]) < 0.05


@pytest.mark.parametrize("transform", [ClipEval(64), ResizedCenterCrop(64)])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_what_the_crop_left_out_has_no_value(transform, width, height):
    """Paint what has a value white: the model then sees white only, and no pixel more is needed."""
    crop = transform.geometry(width, height)
    seen = np.isfinite(on_image(np.ones((4, 4)), crop, width, height))
    image = np.repeat(np.where(seen, 255, 0).astype(np.uint8)[..., None], 3, -1)
    assert patch_means(transform, image, (4, 4)).min() > 0.93
    shrunk = seen.copy()
    shrunk[:, seen.any(0).argmax() : seen.any(0).argmax() + max(width // 10, 4)] = False
    image = np.repeat(np.where(shrunk, 255, 0).astype(np.uint8)[..., None], 3, -1)
    assert patch_means(transform, image, (4, 4)).min() < 0.9


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(20, 90), st.integers(20, 90), st.booleans()
)
@settings(max_examples=40)
def test_laws(rows, columns, width, height, smooth):
    crop = ClipEval(32).geometry(width, height)
    values = np.random.default_rng(0).normal(size=(rows, columns))
    shown = on_image(values, crop, width, height, smooth)
    inside = np.isfinite(shown)
    assert shown.shape == (height, width)
    assert inside.any()
    assert values.min() - 1e-9 <= shown[inside].min() <= shown[inside].max() <= values.max() + 1e-9
    flat = on_image(np.full((rows, columns), 3.0), crop, width, height, smooth)
    np.testing.assert_allclose(flat[inside], 3.0)
    if smooth and crop.resize_width - crop.width == 2 * crop.left:  # the offset was not rounded
        mirrored = on_image(values[:, ::-1], crop, width, height, smooth)[:, ::-1]
        both = inside & np.isfinite(mirrored)  # a pixel centre on the very edge counts on the left
        np.testing.assert_allclose(mirrored[both], shown[both], atol=1e-9)


def test_smooth_maps_pass_through_the_patches():
    values = np.array([[0.0, 1.0], [2.0, 5.0]])
    shown = on_image(values, CropGeometry(8, 8, 0, 0, 8, 8), 80, 80, smooth=True)
    assert shown[19:21, 19:21].mean() == pytest.approx(0, abs=0.06)
    assert shown[59:61, 59:61].mean() == pytest.approx(5, abs=0.06)
    assert shown[39:41, 39:41].mean() == pytest.approx(2)  # the middle of all four


def test_boxes_tile_the_crop():
    crop = ResizedCenterCrop(224).geometry(500, 375)
    boxes = [patch_box(patch, (7, 7), crop, 500, 375) for patch in range(49)]
    assert boxes[0].left == pytest.approx(58 * 500 / 341)
    assert boxes[0].top == pytest.approx(16 * 375 / 256)
    for left, right in pairwise(boxes[:7]):
        assert left.right == pytest.approx(right.left)
    area = sum((b.right - b.left) * (b.bottom - b.top) for b in boxes)
    assert area == pytest.approx(224**2 * (500 / 341) * (375 / 256))


def test_a_scaled_copy_takes_the_same_map():
    crop = ClipEval(32).geometry(60, 40)
    values = np.arange(16.0).reshape(4, 4)
    small, large = on_image(values, crop, 60, 40), on_image(values, crop, 180, 120)
    np.testing.assert_array_equal(large[1::3, 1::3], small)


@pytest.mark.parametrize("transform", [Letterbox(64), Letterbox((64, 128), fill=9)], ids=repr)
@pytest.mark.parametrize(("width", "height"), [(300, 200), (200, 300), (400, 60)])
def test_patches_of_padding_lie_on_no_pixel(transform, width, height):
    """All of the image has a value; boxes cover it once; of padding alone nothing is left."""
    grid = (transform.size[0] // 8, transform.size[1] // 8)
    crop = transform.geometry(width, height)
    values = np.arange(grid[0] * grid[1], dtype=float).reshape(grid)
    assert np.isfinite(on_image(values, crop, width, height)).all()
    boxes = [patch_box(patch, grid, crop, width, height) for patch in range(values.size)]
    areas = [max(b.right - b.left, 0) * max(b.bottom - b.top, 0) for b in boxes]
    assert sum(areas) == pytest.approx(width * height)
    assert min(areas) == 0, "there is padding"
    shown = on_image(values, crop, width, height)
    for patch in np.argsort(areas)[-3:]:
        left, top, right, bottom = boxes[patch]
        assert shown[int((top + bottom) / 2), int((left + right) / 2)] == patch
