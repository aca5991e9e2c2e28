"""What was found, in a few numbers, and what must be known to read them."""

import math
from collections.abc import Mapping
from typing import Any

from plp.evaluation import CalibrationReport
from plp.report.html import Html, join, tag
from plp.report.page import Section, cards, paragraphs
from plp.report.tables import grid, number
from plp.results.render import MISSING


def lead(result: Mapping[str, Any], calibration: CalibrationReport) -> Html:
    """Return what stands above the table of contents."""
    accuracy = result["accuracy"]
    numbers = [(f"{accuracy['fused']:.1f} %", "test accuracy")]
    if "zero_shot" in accuracy:
        gain = accuracy["fused"] - accuracy["zero_shot"]
        numbers.append((f"{gain:+.1f}", f"points over zero-shot ({accuracy['zero_shot']:.1f} %)"))
    numbers.append((f"{calibration.ece:.1f} %", "calibration error (ECE)"))
    seconds = sum(result["seconds"].get(stage, 0.0) for stage in ("fit", "train", "tune"))
    since = " since it was resumed" if result["resumed"] else ""
    numbers.append((f"{seconds:.0f} s", f"training{since}"))
    line = (
        f"{len(result['class_names'])} classes, {result['shots']} shots per class, seed "
        f"{result['seed']}; {result['num_test_images']} test images; {result['device']}."
    )
    return join(paragraphs(line), cards(numbers))


def overview(result: Mapping[str, Any]) -> Section:
    """Return accuracies by line of evidence, and notes."""
    validation = (result["validation"] or {}).get("accuracy", {})
    images = result["num_test_images"]
    rows = []
    for line, percent in result["accuracy"].items():
        low, high = wilson(percent / 100, images)
        said = f"{validation[line]:.1f}" if line in validation else MISSING
        rows.append([
            _line_name(line), number(f"{percent:.1f}"), number(f"{low:.1f} to {high:.1f}"),
            number(said),
        ])  # fmt: skip
    header = ["line of evidence", "test accuracy, %", "95 % interval", "on validation images, %"]
    told = (
        "The interval says how far the accuracy on these test images may be from that on all "
        "images like them (Wilson). It knows nothing of other draws of the shots and other seeds, "
        "which often move more."
    )
    notes = [*result["notes"], *result["fitted"]]
    body = join(
        grid(header, rows),
        tag("p", told, class_="faint"),
        tag("ul", (tag("li", note) for note in notes)) if notes else None,
    )
    return Section("result", "Result", body)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share seen in so many trials, in percent (Wilson 1927).

    Example:
        >>> [round(end, 1) for end in wilson(0.5, 100)], [round(end, 1) for end in wilson(1.0, 6)]
        ([40.4, 59.6], [61.0, 100.0])
    """
    z = 1.959964  # 97.5 % of a normal distribution
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * math.sqrt(
        share * (1 - share) / count + z * z / (4 * count * count)
    )  # fmt: skip
    return 100 * max(middle - reach, 0.0), 100 * min(middle + reach, 1.0)


def _line_name(line: str) -> str:
    return "fused (the prediction)" if line == "fused" else line.replace("_", "-")
