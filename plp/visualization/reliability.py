"""The reliability diagram: how often a classifier is right at each confidence."""

from typing import Any

from plp.evaluation import CalibrationReport
from plp.figure_text import literal

BAR, GAP = "#0072B2", "#D55E00"  # Okabe and Ito


def draw_reliability(report: CalibrationReport, title: str = "") -> Any:
    """Draw accuracy over confidence, and below it how many images have that confidence.

    A calibrated classifier's points lie on the diagonal; the vertical lines are the gaps whose
    mean, weighted by images, is the expected calibration error. The area of a point grows with the
    images of its bin, so that a bin of one image does not pass for evidence.

    Args:
        report: Report of `plp.evaluation.calibration_report`.
        title: First line of the title.

    Returns:
        A `matplotlib.figure.Figure`, bound to no display.

    Raises:
        ImportError: without matplotlib.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4, 5.6), layout="constrained", dpi=130)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    images, confidence, accuracy = (value.numpy() for value in report.table)
    top.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1, label="calibrated")
    top.vlines(confidence, accuracy, confidence, color=GAP, linewidth=2, label="gap")
    shares = 100 * images / images.sum()
    top.scatter(confidence, accuracy, 8 + 1.2 * shares, BAR, label="bin", zorder=3, clip_on=False)
    top.set_ylabel("share that is right")
    top.set_xlim(0, 1)
    top.set_ylim(0, 1)
    top.legend(fontsize=8, frameon=False, loc="lower right")
    bottom.vlines(confidence, 0, shares, color=BAR, linewidth=6)
    bottom.set_ylabel("images, %")
    bottom.set_xlabel("confidence")
    bottom.set_ylim(bottom=0)
    numbers = (
        f"ECE {report.ece:.1f} %, confidence {report.confidence:.1f} %, "
        f"accuracy {report.accuracy:.1f} %"
    )
    top.set_title(f"{title}\n{numbers}" if title else numbers, fontsize=9)
    return literal(figure)
