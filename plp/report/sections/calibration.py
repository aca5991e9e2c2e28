"""Whether the classifier is right as often as it says."""

from plp.evaluation import CalibrationReport
from plp.report.html import join, tag
from plp.report.page import Section, folded
from plp.report.pictures import figure, render
from plp.report.tables import facts, grid, number
from plp.visualization import draw_reliability


def calibration(report: CalibrationReport, probability: str = "softmax") -> Section:
    """Return the reliability diagram of the prediction, and its numbers.

    Args:
        report: The numbers.
        probability: What probabilities are of: a 'softmax', or a 'sigmoid'.
    """
    sigmoid = probability == "sigmoid"
    lean = "overconfident" if report.confidence > report.accuracy else "underconfident"
    told = (
        f"On average the prediction is {report.confidence:.1f} % sure and {report.accuracy:.1f} % "
        f"right: it is {lean}. Probabilities are those of training, with no temperature fitted "
        "afterwards."
    )
    if sigmoid:
        told += (
            " They are of each class by itself (sigmoid): those of an image need not add up to "
            "one, and NLL and Brier score are sums over the yes or no of all classes."
        )
    numbers = [
        ("ECE, 15 bins of equal width", f"{report.ece:.2f} %"),
        ("ECE, 15 bins of equally many images", f"{report.ece_equal_mass:.2f} %"),
        ("negative log likelihood", f"{report.nll:.4f} nats"),
        (
            "Brier score, over classes",
            f"{report.brier:.4f}" + ("" if sigmoid else ", between 0 and 2"),
        ),
    ]
    alt = f"Reliability diagram: accuracy over confidence, ECE {report.ece:.1f} %."
    body = join(
        tag("p", told), facts(numbers),
        figure(render(lambda: draw_reliability(report)), alt,
               "Points on the diagonal are calibrated; their area grows with the images of a bin."),
        folded("The numbers", grid(["images", "mean confidence, %", "right, %"], _rows(report))),
    )  # fmt: skip
    return Section("calibration", "Calibration", body)


def _rows(report: CalibrationReport) -> list[list]:
    columns = (column.tolist() for column in report.table)
    return [
        [str(images), number(f"{100 * said:.1f}"), number(f"{100 * right:.1f}")]
        for images, said, right in zip(*columns, strict=True)
    ]
