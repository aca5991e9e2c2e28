"""Figures: explanations by patches, distributions of scores, reliability diagrams, curves.

They need matplotlib. Every one is returned as a `matplotlib.figure.Figure`, bound to no display.
"""

from plp.visualization.curves import draw_curves
from plp.visualization.explanation_figures import (
    Explained,
    draw_class_comparison,
    draw_explanation,
    draw_plan_matrices,
    draw_sheet,
)
from plp.visualization.on_image import Box, on_image, patch_box
from plp.visualization.reliability import draw_reliability
from plp.visualization.right_and_wrong import draw_right_and_wrong
from plp.visualization.score_histograms import draw_score_histograms

__all__ = [
    "Box",
    "Explained",
    "draw_class_comparison",
    "draw_curves",
    "draw_explanation",
    "draw_plan_matrices",
    "draw_reliability",
    "draw_right_and_wrong",
    "draw_score_histograms",
    "draw_sheet",
    "on_image",
    "patch_box",
]
