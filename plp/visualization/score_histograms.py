"""Distributions of an out-of-distribution score: in-distribution images against each other set."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from plp.evaluation import ood_metrics, threshold_at_95
from plp.figure_text import literal

# Okabe and Ito's blue and vermilion: apart for any colour vision, and in print.
ID_COLOUR, OOD_COLOUR = "#0072B2", "#D55E00"
_COLUMNS, _BINS = 3, 32


def draw_score_histograms(
    name: str,
    id_scores: Float[Tensor, " I"],
    ood_scores: Mapping[str, Float[Tensor, " _"]],
    id_name: str = "in-distribution",
) -> Any:
    """Draw a panel a set: shares of images by score, and the threshold that accepts 95 % of ID.

    All panels share bins and axes, so that sets compare with each other. Bins span the 0.1 % to
    99.9 % quantiles of all scores; what is outside counts in the outermost bins.

    Args:
        name: Name of the score.
        id_scores: Scores of in-distribution images; lower means more in-distribution.
        ood_scores: Scores of each out-of-distribution set.
        id_name: What to call the in-distribution images.

    Returns:
        A `matplotlib.figure.Figure`, bound to no display.

    Raises:
        ValueError: for no set, or scores that `ood_metrics` refuses.
        ImportError: without matplotlib.
    """
    from matplotlib.figure import Figure

    if not ood_scores:
        raise ValueError("expected at least one out-of-distribution set, got none")
    columns = min(_COLUMNS, len(ood_scores))
    rows = math.ceil(len(ood_scores) / columns)
    size = (max(3.5 * columns, 4.2), 2.5 * rows + 0.7)
    figure = Figure(figsize=size, layout="constrained", dpi=130)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    edges = score_edges([id_scores, *ood_scores.values()])
    for i, axis in enumerate(axes.flat):
        axis.set_visible(i < len(ood_scores))
        if i % columns == 0:
            axis.set_ylabel("share of images, %")
        if i + columns >= len(ood_scores):
            axis.set_xlabel(f"{name} (lower: more in-distribution)")
            axis.tick_params(labelbottom=True)
    for axis, (title, scores) in zip(axes.flat, ood_scores.items(), strict=False):
        _draw_panel(axis, title, id_scores, scores, edges, id_name)
    axes.flat[0].set_ylim(bottom=0)
    return literal(figure)


def _draw_panel(
    axis: Any,
    title: str,
    id_scores: Float[Tensor, " I"],
    ood_scores: Float[Tensor, " O"],
    edges: np.ndarray,
    id_name: str,
) -> None:
    found = ood_metrics(id_scores, ood_scores)
    axis.stairs(shares(id_scores, edges), edges, fill=True, color=ID_COLOUR, alpha=0.35)
    axis.stairs(shares(id_scores, edges), edges, color=ID_COLOUR, label=id_name)
    axis.stairs(
        shares(ood_scores, edges), edges, color=OOD_COLOUR, linewidth=1.4, hatch="////",
        fill=False, label=title,
    )  # fmt: skip
    threshold = min(max(threshold_at_95(id_scores), edges[0]), edges[-1])
    axis.axvline(threshold, color="black", linestyle="--", linewidth=1, label="95 % of ID")
    axis.set_title(
        f"{title}\nAUROC {found.auroc:.1f}, FPR95 {found.fpr95_id:.1f} (ID) / "
        f"{found.fpr95_ood:.1f} (OOD)",
        fontsize=9,
    )
    axis.legend(fontsize=7, frameon=False)


def score_edges(scores: list[Tensor]) -> np.ndarray:
    """Return edges of bins from the 0.1 % to the 99.9 % quantile of all scores."""
    values = np.concatenate([one.detach().cpu().double().numpy() for one in scores])
    low, high = np.quantile(values, [0.001, 0.999])
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1)


def shares(scores: Tensor, edges: np.ndarray) -> np.ndarray:
    """Return the percentage of scores in each bin; what is outside counts in the outermost."""
    inside = np.clip(scores.detach().cpu().double().numpy(), edges[0], edges[-1])
    return 100 * np.histogram(inside, edges)[0] / len(inside)
