"""Figures: distributions of scores, reliability diagrams. They need matplotlib."""

from plp.visualization.reliability import draw_reliability
from plp.visualization.score_histograms import draw_score_histograms

__all__ = ["draw_reliability", "draw_score_histograms"]
