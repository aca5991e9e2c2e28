"""Pictures of explanations: what the patches of an image say about a class, prompt by prompt."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from PIL import Image

from plp.figure_text import literal
from plp.inference.explanation import Explanation
from plp.visualization import panels
from plp.visualization.panels import crop_of, drawn_size
from plp.wording import count

_DPI = 100
_WIDTH = 1.55  # inches of a panel


class Explained(NamedTuple):
    """An image and what its patches say about a class.

    Attributes:
        image: The whole image, 8-bit RGB.
        explanation: Of it.
        title: What to call it; may be empty in `draw_explanation`.
    """

    image: Image.Image
    explanation: Explanation
    title: str


def draw_explanation(shown: Explained) -> Any:
    """Draw support and mean map, and for each prompt its part of the plan and its similarities.

    The upper row is about mass: the support patches of the class, framed, and what each prompt
    sends to them, the top three numbered (none where the plan is uniform). The lower row is about
    cosines of all patches, in the support or not: of the prompts' mean, and of each prompt.

    Args:
        shown: Image and explanation.

    Returns:
        A `matplotlib.figure.Figure`, bound to no display.

    Raises:
        ConfigError: if the test transform does not tell where the patches lie.
        ImportError: without matplotlib.
    """
    image, explanation, title = shown
    crop, prompts = crop_of(explanation), range(len(explanation.prompts))
    figure, axes = _panels([image, image], len(prompts) + 1)
    plans = panels.plan_scale([explanation])
    cosines = panels.similarity_scale([explanation])
    panels.show_support(axes[0][0], image, explanation)
    axes[0][0].set_title("support", fontsize=8)
    mean = explanation.mean_similarity
    drawn = panels.show_similarity(axes[1][0], image, mean, crop, cosines)
    axes[1][0].set_title("cosine, prompts' mean", fontsize=8)
    for n in prompts:
        plan = panels.show_plan(axes[0][n + 1], image, explanation, n, plans)
        axes[0][n + 1].set_title(f"plan, prompt {n + 1}", fontsize=8)
        panels.show_similarity(axes[1][n + 1], image, explanation.similarity[n], crop, cosines)
        axes[1][n + 1].set_title(f"cosine, prompt {n + 1}", fontsize=8)
    panels.add_plan_bar(figure, plan, list(axes[0]))
    panels.add_similarity_bar(figure, drawn, list(axes[1]))
    moved = f"{100 * panels.moved_mass(explanation):.1f} % of the mass moved from the uniform plan"
    lines = [title, moved, panels.unsolved(explanation)]
    figure.suptitle("\n".join(filter(None, lines)), fontsize=9, parse_math=False)
    return literal(figure)


def draw_class_comparison(shown: Sequence[Explained]) -> Any:
    """Draw a row per class: the cosines of the prompts' mean and of each prompt, on one scale.

    Frames and numbers mark the three patches a prompt's plan sends most mass to.

    Args:
        shown: One image explained for several classes, such as the true one and the strongest
            wrong one, with as many prompts each.

    Returns:
        A `matplotlib.figure.Figure`, bound to no display.

    Raises:
        ConfigError: if the test transform does not tell where the patches lie.
        ImportError: without matplotlib.
    """
    prompts = range(len(shown[0].explanation.prompts))
    figure, axes = _panels([one.image for one in shown], len(prompts) + 1)
    scale = panels.similarity_scale([one.explanation for one in shown])
    for row, (image, explanation, title) in zip(axes, shown, strict=True):
        crop = crop_of(explanation)
        maps = [explanation.mean_similarity, *explanation.similarity]
        for n, (axis, values) in enumerate(zip(row, maps, strict=True)):
            drawn = panels.show_similarity(axis, image, values, crop, scale)
            axis.set_title(f"prompt {n}" if n else "prompts' mean", fontsize=8)
            if n:
                top = explanation.top_patches(n - 1)
                panels.mark_patches(axis, image, explanation, top, numbered=True)
        row[0].set_ylabel(_with_warning(title, explanation), fontsize=8, parse_math=False)
    panels.add_similarity_bar(figure, drawn, list(axes.flat))
    return literal(figure)


def draw_plan_matrices(shown: Sequence[Explained]) -> Any:
    """Draw plans as matrices, a row a patch of the support and a column per prompt.

    Numbers are factors of the uniform plan. Rows are named by the place of the patch in the grid,
    row and column from 1; where each prompt has a support of its own, by their rank in it.

    Args:
        shown: Explanations; their images are not drawn.

    Returns:
        A `matplotlib.figure.Figure`, bound to no display.

    Raises:
        ImportError: without matplotlib.
    """
    from matplotlib.figure import Figure

    K, N = shown[0].explanation.plan.shape
    size = (len(shown) * (0.5 * N + 1.0) + 0.9, min(0.2 * K, 9.0) + 1.1)
    figure = Figure(figsize=size, layout="constrained", dpi=_DPI)
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    scale = panels.plan_scale([one.explanation for one in shown])
    for axis, (_, explanation, title) in zip(axes, shown, strict=True):
        factors = panels.plan_factors(explanation)
        drawn = axis.imshow(factors, norm=scale, cmap=panels.PLAN_COLOURS, aspect="auto")
        axis.set_xticks(range(N), [str(n + 1) for n in range(N)], fontsize=7)
        axis.set_xlabel("prompt", fontsize=8)
        moved = panels.moved_mass(explanation)
        head = _with_warning(f"{title}\n{moved:.1%} moved", explanation)
        axis.set_title(head, fontsize=8, parse_math=False)
        if K * N <= 120:
            _write_factors(axis, factors, scale)
            axis.set_yticks(range(K), _patch_names(explanation), fontsize=7)
    shared = (shown[0].explanation.support == shown[0].explanation.support[:, :1]).all()
    axes[0].set_ylabel("patch (row, column)" if shared else "rank in the support", fontsize=8)
    panels.add_plan_bar(figure, drawn, list(axes))
    return literal(figure)


def draw_sheet(shown: Sequence[Explained]) -> Any:
    """Draw a row per image: its support, the cosines of the prompts' mean, the plan of each prompt.

    Cosines share one scale, and plans another.

    Args:
        shown: Images and explanations of one method.

    Returns:
        A `matplotlib.figure.Figure`, bound to no display.

    Raises:
        ConfigError: if the test transform does not tell where the patches lie.
        ImportError: without matplotlib.
    """
    prompts = range(len(shown[0].explanation.prompts))
    warning = _warning_of_sheet([one.explanation for one in shown])
    figure, axes = _panels([one.image for one in shown], len(prompts) + 2, titled=bool(warning))
    plans = panels.plan_scale([one.explanation for one in shown])
    cosines = panels.similarity_scale([one.explanation for one in shown])
    for row, (image, explanation, title) in zip(axes, shown, strict=True):
        panels.show_support(row[0], image, explanation)
        row[0].set_ylabel(_with_warning(title, explanation), fontsize=7, parse_math=False)
        mean, crop = explanation.mean_similarity, crop_of(explanation)
        cosine = panels.show_similarity(row[1], image, mean, crop, cosines)
        for n in prompts:
            plan = panels.show_plan(row[n + 2], image, explanation, n, plans)
    names = ["support", "cosine, prompts' mean", *(f"plan, prompt {n + 1}" for n in prompts)]
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name, fontsize=8)
    panels.add_similarity_bar(figure, cosine, list(axes.flat))
    panels.add_plan_bar(figure, plan, list(axes.flat))
    if warning:
        figure.suptitle(warning, fontsize=9, parse_math=False)
    return literal(figure)


def _with_warning(title: str, explanation: Explanation) -> str:
    """Return a title, with a line below it where the plan has not converged."""
    return "\n".join(filter(None, [title, panels.unsolved(explanation)]))


def _warning_of_sheet(explanations: Sequence[Explanation]) -> str:
    """Return how many plans of a sheet have not converged; '' if all have."""
    errors = [one.row_error or 0.0 for one in explanations if one.converged is False]
    if not errors:
        return ""
    return (
        f"{len(errors)} of {count(len(explanations), 'plan')} not converged: row sums off by up to "
        f"{max(errors):.2g} of the mass. Raise max_iterations or epsilon of the aligner"
    )


def _panels(images: Sequence[Image.Image], columns: int, titled: bool = True) -> tuple[Any, Any]:
    """Return a figure with a row of panels for each image, as high as the image wants."""
    from matplotlib.figure import Figure

    heights = [_WIDTH * drawn_size(image)[1] / drawn_size(image)[0] for image in images]
    title = 0.22 if titled else 0.04
    size = (columns * _WIDTH + 1.2, sum(heights) + title * len(images) + 0.4)
    figure = Figure(figsize=size, layout="constrained", dpi=_DPI)
    axes = figure.subplots(len(images), columns, squeeze=False, height_ratios=heights)
    return figure, axes


def _patch_names(explanation: Explanation) -> list[str]:
    columns, first = explanation.grid[1], explanation.support[:, 0]
    if (explanation.support != first[:, None]).any():
        return [str(k + 1) for k in range(len(first))]
    return [f"{patch // columns + 1}, {patch % columns + 1}" for patch in first]


def _write_factors(axis: Any, factors: Any, scale: Any) -> None:
    for k, row in enumerate(factors):
        for n, factor in enumerate(row):
            if factor == factor:  # not NaN
                dark = abs(float(scale(factor)) - 0.5) > 0.35
                axis.annotate(
                    f"{factor:.2f}", (n, k), color="white" if dark else "black",
                    fontsize=6, ha="center", va="center",
                )  # fmt: skip
