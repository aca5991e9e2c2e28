"""One image, one map: what the pictures of explanations are put together from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from plp.errors import ConfigError
from plp.inference.explanation import Explanation
from plp.transforms import CropGeometry
from plp.visualization.on_image import on_image, patch_box

# Perceptually uniform and made for colour-blind eyes; a diverging one around the uniform plan.
SIMILARITY_COLOURS, PLAN_COLOURS = "cividis", "RdBu_r"
MARK = "#E69F00"  # Okabe and Ito's orange
_SIDE = 320  # pixels of the longer side of a drawn image
_LEAST_FACTOR, _MOST_FACTOR = 1.02, 8.0  # of the scale of plans


def drawn_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height an image is drawn with."""
    shrink = min(1.0, _SIDE / max(image.size))
    width, height = (max(round(side * shrink), 1) for side in image.size)
    return width, height


def crop_of(explanation: Explanation) -> CropGeometry:
    """Return where the patches lie.

    Raises:
        ConfigError: for a transform that does not tell.
    """
    if explanation.crop is None:
        raise ConfigError(
            "the run's test transform does not tell where it looks, so that nothing can be drawn "
            "onto the image: make it an `EvalTransform`, which has `geometry(width, height)`"
        )
    return explanation.crop


def plan_factors(explanation: Explanation) -> Float[np.ndarray, "K N"]:
    """Return a plan as factors of the uniform one: 1 where transport does what the mean does.

    NaN where a pair of patch and prompt does not count.
    """
    kept = explanation.kept
    uniform = 1.0 / (kept.shape[1] * kept.sum(0, keepdims=True))
    return np.where(kept, explanation.plan / uniform, np.nan)


def moved_mass(explanation: Explanation) -> float:
    """Return the share of a plan's mass that stands elsewhere than in the uniform one."""
    return float(explanation.diagnostics.distance_to_uniform)


def unsolved(explanation: Explanation) -> str:
    """Say that a plan is none that transport means: its iterations ended too early; '' if not."""
    if explanation.converged is not False:
        return ""
    return f"not converged, row sums off by {explanation.row_error:.2g}"


def plan_scale(explanations: Sequence[Explanation]) -> Any:
    """Return one logarithmic colour scale for plans, even around the uniform one.

    It reaches as far as these plans do; the numbers at its ends say how far that is.
    """
    from matplotlib.colors import LogNorm

    factors = np.concatenate([plan_factors(one).ravel() for one in explanations])
    factors = factors[np.isfinite(factors)].clip(1 / _MOST_FACTOR, _MOST_FACTOR)
    reach = max(float(np.exp(np.abs(np.log(factors)).max())), _LEAST_FACTOR)
    return LogNorm(1 / reach, reach, clip=True)


def similarity_scale(explanations: Sequence[Explanation]) -> Any:
    """Return one linear colour scale for the cosines of all patches of these explanations."""
    from matplotlib.colors import Normalize

    values = np.concatenate([one.similarity.ravel() for one in explanations])
    return Normalize(float(values.min()), float(values.max()))


def show_photo(axis: Any, image: Image.Image, grey: bool = False) -> None:
    """Show an image, in grey and faint where something will lie over it."""
    small = image.resize(drawn_size(image), Image.Resampling.LANCZOS)
    axis.imshow(np.asarray(small.convert("L" if grey else "RGB")), cmap="gray", vmin=0, vmax=255)
    bare(axis)


def bare(axis: Any) -> None:
    """Take ticks and frame away; axes stay for labels."""
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_visible(False)


def show_similarity(
    axis: Any,
    image: Image.Image,
    values: Float[np.ndarray, "rows columns"],
    crop: CropGeometry,
    scale: Any,
) -> Any:
    """Show cosines over an image, interpolated between patches; return what a colour bar takes."""
    show_photo(axis, image, grey=True)
    shown = on_image(values, crop, *drawn_size(image), smooth=True)
    return axis.imshow(shown, norm=scale, cmap=SIMILARITY_COLOURS, alpha=0.7)


def show_plan(
    axis: Any, image: Image.Image, explanation: Explanation, prompt: int, scale: Any
) -> Any:
    """Show a prompt's part of the plan, patch by patch, its top three marked."""
    crop = crop_of(explanation)
    show_photo(axis, image, grey=True)
    factors = explanation.plan_maps[prompt] * explanation.kept[:, prompt].sum()
    factors = factors * len(explanation.prompts)
    shown = on_image(factors, crop, *drawn_size(image))
    drawn = axis.imshow(shown, norm=scale, cmap=PLAN_COLOURS, alpha=0.85, interpolation="nearest")
    mark_patches(axis, image, explanation, explanation.top_patches(prompt), numbered=True)
    return drawn


def mark_patches(
    axis: Any,
    image: Image.Image,
    explanation: Explanation,
    patches: Sequence[int],
    numbered: bool = False,
) -> None:
    """Frame patches; number them in their order if asked to."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.6, foreground="black")]
    for rank, patch in enumerate(patches, start=1):
        size = drawn_size(image)
        box = patch_box(patch, explanation.grid, crop_of(explanation), *size)
        corner = (box.left - 0.5, box.top - 0.5)  # of axes whose pixel centres are whole numbers
        extent = (box.right - box.left, box.bottom - box.top)
        if min(extent) <= 0:  # a patch of padding only
            continue
        axis.add_patch(
            Rectangle(corner, *extent, fill=False, edgecolor=MARK, linewidth=1.3, path_effects=halo)
        )
        if numbered:
            axis.annotate(
                str(rank), (corner[0] + extent[0] / 2, corner[1] + extent[1] / 2),
                color="white", fontsize=8, ha="center", va="center", path_effects=halo,
            )  # fmt: skip


def show_support(axis: Any, image: Image.Image, explanation: Explanation) -> None:
    """Show an image as it is, the support of the class framed.

    Where each prompt has a support of its own, patches of any are framed.
    """
    show_photo(axis, image)
    patches = np.unique(explanation.support[explanation.kept])
    if len(patches) < explanation.grid[0] * explanation.grid[1]:  # all of them say nothing
        mark_patches(axis, image, explanation, [int(patch) for patch in patches])


def add_plan_bar(figure: Any, drawn: Any, axes: Any, label: str = "mass, × uniform plan") -> None:
    """Add the colour bar of plans, with the factors at its ends and middle."""
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8, aspect=18, pad=0.01)
    low, high = drawn.norm.vmin, drawn.norm.vmax
    ticks = [low, low**0.5, 1.0, high**0.5, high]
    bar.set_ticks(ticks, labels=[f"{tick:.2f}" for tick in ticks])
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=7)
    bar.set_label(label, fontsize=8)


def add_similarity_bar(figure: Any, drawn: Any, axes: Any) -> None:
    """Add the colour bar of cosines."""
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8, aspect=18, pad=0.01)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("cosine", fontsize=8)
