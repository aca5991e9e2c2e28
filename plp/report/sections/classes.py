"""Accuracy of each class, the worst first."""

from collections.abc import Sequence

from plp.evaluation.classification import distinct
from plp.report.html import Child, Html, join, tag
from plp.report.page import Section, folded
from plp.report.sections.overview import wilson
from plp.report.tables import bar, grid, number
from plp.report.tested import Tested

_FIRST = 30  # classes shown unfolded
_HEADER = ("class", "right, %", "", "95 % interval", "right", "images", "most often confused with")


def classes(tested: Tested) -> Section:
    """Return a row per class, sorted by accuracy."""
    confusion = tested.confusion
    right, total = confusion.diagonal().tolist(), confusion.sum(1).tolist()
    order = sorted(
        (label for label, count in enumerate(total) if count),
        key=lambda label: right[label] / total[label],
    )
    names = distinct(tested.class_names)
    rows = [_row(tested, names, label, right[label], total[label]) for label in order]
    body = [grid(_HEADER, rows[:_FIRST])]
    if len(rows) > _FIRST:
        body.append(folded(f"The other {len(rows) - _FIRST} classes", grid(_HEADER, rows[_FIRST:])))
    note = (
        "Few images per class make wide intervals: neighbours in this order may well change places."
    )
    return Section(
        "classes", "Classes, the worst first", join(tag("p", note, class_="faint"), body)
    )


def _row(tested: Tested, names: Sequence[str], label: int, right: int, total: int) -> list[Child]:
    low, high = wilson(right / total, total)
    share = 100 * right / total
    return [
        tag("bdi", names[label]), number(f"{share:.1f}"), bar(share),
        number(f"{low:.0f} to {high:.0f}"), number(str(right)), number(str(total)),
        _rival(tested, names, label),
    ]  # fmt: skip


def _rival(tested: Tested, names: Sequence[str], label: int) -> Html | str:
    """Return the class that most images of a class were taken for, and how many."""
    counts = tested.confusion[label].clone()
    counts[label] = 0
    most = int(counts.argmax())
    count = int(counts[most])
    return join(tag("bdi", names[most]), f" ({count})") if count else ""
