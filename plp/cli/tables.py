"""Results as lines of text."""

from plp.evaluation import ClassificationReport
from plp.printable import printable


def accuracy_lines(report: ClassificationReport, worst: int = 20) -> list[str]:
    """Return the accuracies of a report: by line of evidence, then by class, the worst first."""
    lines = [f"test accuracy on {report.num_images} images"]
    lines += [f"  {name:<12} {value:6.2f} %" for name, value in report.accuracy.items()]
    ordered = sorted(report.per_class.items(), key=lambda entry: entry[1])
    classes = [(printable(name), value) for name, value in ordered]
    width = max(len(name) for name, _ in classes)
    lines.append("by class" if len(classes) <= worst else f"by class, the {worst} worst")
    lines += [f"  {name:<{width}} {value:6.2f} %" for name, value in classes[:worst]]
    return lines
