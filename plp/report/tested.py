"""What a report keeps of a test: a few numbers per image, never features."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from plp.datasets.base import Item
from plp.evaluation import ClassificationReport, Judged


class Tested(NamedTuple):
    """A test, image by image.

    Attributes:
        class_names: In label order.
        items: The images: path and true class.
        predicted: Classes predicted.
        judged: Confidence, and whether it was right.
        confusion: How many images of class i (row) were taken for class j.
        scores: Out-of-distribution scores that follow from the logits, by name; lower means more
            in-distribution.
    """

    class_names: tuple[str, ...]
    items: tuple[Item, ...]
    predicted: Int[Tensor, " I"]
    judged: Judged
    confusion: Int[Tensor, "C C"]
    scores: dict[str, Float[Tensor, " I"]]


class Confused(NamedTuple):
    """A class that was taken for another.

    Attributes:
        true: The class.
        taken_for: The other.
        times: How many of its images.
        total: Of how many.
        images: Their places in the test, the most confident mistake first.
    """

    true: int
    taken_for: int
    times: int
    total: int
    images: tuple[int, ...]


def keep(report: ClassificationReport, items: Sequence[Item], class_names: Sequence[str]) -> Tested:
    """Keep of a test what a report shows.

    Args:
        report: The test.
        items: The images, in its order.
        class_names: In label order.
    """
    found = report.outcomes
    predicted = found.predicted["fused"]
    return Tested(
        tuple(class_names), tuple(items), predicted, found.judged, report.confusion, found.scores
    )


def most_confused(tested: Tested, most: int) -> list[Confused]:
    """Return the pairs of classes (true, predicted) with most images, the first first.

    Of pairs with equally many, the one with the larger share of its class comes first.
    """
    counts = tested.confusion.clone()
    counts.fill_diagonal_(0)
    totals = tested.confusion.sum(1)
    pairs = [(int(counts[i, j]), int(totals[i]), i, j) for i, j in counts.nonzero().tolist()]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2:]))
    return [
        Confused(i, j, count, total, _mistakes(tested, i, j)) for count, total, i, j in pairs[:most]
    ]


def _mistakes(tested: Tested, true: int, taken_for: int) -> tuple[int, ...]:
    labels = torch.tensor([item.label for item in tested.items])
    places = ((labels == true) & (tested.predicted == taken_for)).nonzero()[:, 0]
    order = tested.judged.confidence[places].argsort(descending=True, stable=True)
    return tuple(places[order].tolist())
