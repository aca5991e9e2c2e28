"""Figures are read back from their pixels: what is planted is where it belongs."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from plp.errors import ConfigError
from plp.transforms import ClipEval, ResizedCenterCrop
from plp.visualization import (
    Explained,
    draw_class_comparison,
    draw_explanation,
    draw_plan_matrices,
    draw_sheet,
    patch_box,
)
from plp.visualization.panels import moved_mass, plan_factors, plan_scale

GRID = (7, 7)


def render(figure):
    """Return the pixels of a figure, and a function from a panel's data to them."""
    figure.set_size_inches(3 * figure.get_size_inches())  # frames and numbers keep their size
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)

    def at(axis, x, y):
        column, row = axis.transData.transform((x, y))
        return pixels[len(pixels) - 1 - int(row), int(column)]

    return pixels, at


@pytest.mark.parametrize("size", [(60, 40), (40, 60), (50, 50)])
@pytest.mark.parametrize("transform", [ClipEval(224), ResizedCenterCrop(224)])
def test_the_planted_patch_is_the_red_one(planted, size, transform):
    """On grey, prompt 1's panel is red at one patch, blue at the rest of the support."""
    crop = transform.geometry(*size)
    explanation = planted(16, GRID, crop, size)
    image = Image.new("RGB", size, (128, 128, 128))
    figure = draw_explanation(Explained(image, explanation, "bee"))
    _, at = render(figure)
    axis = figure.axes[1]
    for k, patch in enumerate(explanation.support[:, 0]):
        box = patch_box(int(patch), GRID, crop, *size)
        x, y = box.left + 0.25 * (box.right - box.left), box.top + 0.25 * (box.bottom - box.top)
        red, _, blue = at(axis, x - 0.5, y - 0.5)
        assert (red > blue + 40) if k == 0 else (blue > red + 20)
    outside = patch_box(20, GRID, crop, *size)
    grey = at(
        axis, (outside.left + outside.right) / 2 - 0.5, (outside.top + outside.bottom) / 2 - 0.5
    )
    assert np.ptp(grey) == 0, "no colour outside the support"


@pytest.mark.parametrize("size", [(60, 40), (40, 60)])
def test_the_similar_patch_is_the_bright_one(planted, size):
    crop = ClipEval(224).geometry(*size)
    explanation = planted(16, GRID, crop, size)
    figure = draw_explanation(Explained(Image.new("RGB", size), explanation, "bee"))
    _, at = render(figure)
    axis = figure.axes[4]  # the second row begins with the mean
    shades = {}
    for patch in range(49):
        box = patch_box(patch, GRID, crop, *size)
        x, y = (box.left + box.right) / 2 - 0.5, (box.top + box.bottom) / 2 - 0.5
        shades[patch] = at(axis, x, y).sum()
    assert max(shades, key=shades.get) == 16


def test_marks_stand_on_the_top_patches_and_nowhere_for_a_uniform_plan(planted):
    crop = ClipEval(224).geometry(60, 40)
    explanation = planted(16, GRID, crop, (60, 40))
    figure = draw_explanation(Explained(Image.new("RGB", (60, 40)), explanation, "bee"))
    first, second = figure.axes[1], figure.axes[2]
    (mark,) = first.patches
    box = patch_box(16, GRID, crop, 60, 40)
    assert mark.get_xy() == pytest.approx((box.left - 0.5, box.top - 0.5))
    assert [text.get_text() for text in first.texts] == ["1"]
    assert not second.patches
    assert len(figure.axes[0].patches) == 4  # the support


def test_scales_are_shared_and_told(planted):
    crop = ClipEval(224).geometry(60, 40)
    shown = [
        Explained(Image.new("RGB", (60, 40)), planted(p, GRID, crop, (60, 40)), name)
        for p, name in ((3, "bee"), (40, "cat"))
    ]
    for figure in (draw_class_comparison(shown), draw_sheet(shown), draw_explanation(shown[0])):
        labels = {axis.get_ylabel() for axis in figure.axes}
        assert "cosine" in labels
        limits = {
            image.norm.vmax for axis in figure.axes for image in axis.images
            if image.get_cmap().name == "cividis"
        }  # fmt: skip
        assert limits == {0.9}
    assert "mass, × uniform plan" in {axis.get_ylabel() for axis in draw_sheet(shown).axes}


def test_a_class_a_row_a_prompt_a_column(planted):
    crop = ClipEval(224).geometry(60, 40)
    shown = [
        Explained(Image.new("RGB", (60, 40)), planted(3, GRID, crop, (60, 40), prompts=3), name)
        for name in ("bee", "cat")
    ]
    figure = draw_class_comparison(shown)
    titles = [axis.get_title() for axis in figure.axes[:8]]
    assert titles == ["prompts' mean", "prompt 1", "prompt 2", "prompt 3"] * 2
    assert [figure.axes[0].get_ylabel(), figure.axes[4].get_ylabel()] == ["bee", "cat"]


def test_matrices_show_factors_of_the_uniform_plan(planted):
    explanation = planted(3, GRID, ClipEval(224).geometry(60, 40), (60, 40))
    figure = draw_plan_matrices([Explained(Image.new("RGB", (1, 1)), explanation, "bee")])
    axis = figure.axes[0]
    written = [text.get_text() for text in axis.texts]
    assert written == ["4.00", "1.00", *["0.00", "1.00"] * 3]
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "1, 4",
        "1, 7",
        "2, 3",
        "2, 6",
    ]
    np.testing.assert_allclose(axis.images[0].get_array(), plan_factors(explanation))
    assert moved_mass(explanation) == pytest.approx(3 / 8)  # of half the mass, three quarters move
    assert "37.5% moved" in axis.get_title()


def test_factors_where_prompts_keep_different_numbers_of_patches(planted):
    explanation = planted(3, GRID, ClipEval(224).geometry(60, 40), (60, 40))
    kept = np.array([[1, 1], [1, 1], [0, 1], [0, 1]], bool)
    mean = explanation._replace(kept=kept, plan=np.where(kept, 0.5 / kept.sum(0), 0.0))
    np.testing.assert_allclose(plan_factors(mean)[kept], 1)
    assert np.isnan(plan_factors(mean)[~kept]).all()
    assert moved_mass(mean) == pytest.approx(0, abs=1e-6)


def test_a_uniform_plan_is_white(planted):
    explanation = planted(3, GRID, ClipEval(224).geometry(60, 40), (60, 40))
    uniform = explanation._replace(plan=np.full((4, 2), 1 / 8))
    scale = plan_scale([uniform])
    assert scale(1.0) == pytest.approx(0.5)
    assert (scale.vmin, scale.vmax) == pytest.approx((1 / 1.02, 1.02))


def test_all_patches_as_support_are_not_framed(planted):
    explanation = planted(0, (2, 2), ClipEval(224).geometry(60, 40), (60, 40))
    figure = draw_explanation(Explained(Image.new("RGB", (60, 40)), explanation, "bee"))
    assert not figure.axes[0].patches


def test_a_transform_that_does_not_tell(planted):
    explanation = planted(3, GRID, None, (60, 40))
    with pytest.raises(ConfigError, match="make it an `EvalTransform`"):
        draw_explanation(Explained(Image.new("RGB", (60, 40)), explanation, "bee"))
