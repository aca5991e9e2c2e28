"""Distributions of scores, of images that were classified right against the others."""

import math
from collections.abc import Mapping
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from plp.evaluation import ood_metrics
from plp.figure_text import literal
from plp.visualization.score_histograms import ID_COLOUR, OOD_COLOUR, score_edges, shares

_COLUMNS = 2


def draw_right_and_wrong(
    scores: Mapping[str, Float[Tensor, " I"]],
    correct: Bool[Tensor, " I"],
    thresholds: Mapping[str, float] | None = None,
) -> Any:
    """Draw a panel a score: shares of the right and of the wrong predictions by score.

    The AUROC in a title says how well the score tells them apart: the chance that a wrong
    prediction has a higher score than a right one, in percent.

    Args:
        scores: By name; lower means more in-distribution.
        correct: Whether the prediction was right.
        thresholds: Scores up to which images are accepted, by name of the score.

    Returns:
        A `matplotlib.figure.Figure`, bound to no display.

    Raises:
        ValueError: for no score.
        ImportError: without matplotlib.
    """
    from matplotlib.figure import Figure

    if not scores:
        raise ValueError("expected at least one score, got none")
    columns = min(_COLUMNS, len(scores))
    rows = math.ceil(len(scores) / columns)
    figure = Figure(figsize=(4.0 * columns, 2.4 * rows + 0.1), layout="constrained", dpi=130)
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for axis in axes[len(scores) :]:
        axis.set_visible(False)
    for axis, (name, values) in zip(axes, scores.items(), strict=False):
        _draw_panel(axis, name, values, correct, (thresholds or {}).get(name))
    return literal(figure)


def _draw_panel(
    axis: Any,
    name: str,
    values: Float[Tensor, " I"],
    correct: Bool[Tensor, " I"],
    threshold: float | None,
) -> None:
    right, wrong = values[correct], values[~correct]
    edges = score_edges([values])
    if len(right):
        axis.stairs(shares(right, edges), edges, fill=True, color=ID_COLOUR, alpha=0.35)
        axis.stairs(shares(right, edges), edges, color=ID_COLOUR, label=f"right ({len(right)})")
    if len(wrong):
        axis.stairs(
            shares(wrong, edges), edges, color=OOD_COLOUR, linewidth=1.4, hatch="////", fill=False,
            label=f"wrong ({len(wrong)})",
        )  # fmt: skip
    if threshold is not None:
        shown = min(max(threshold, edges[0]), edges[-1])
        axis.axvline(shown, color="black", linestyle="--", linewidth=1, label="threshold")
    both = len(right) and len(wrong)
    told = f", AUROC {ood_metrics(right, wrong).auroc:.1f}" if both else ""
    axis.set_title(f"{name}{told}", fontsize=9)
    axis.set_xlabel("score", fontsize=8)
    axis.set_ylabel("share of images, %", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=7, frameon=False)
