"""Accuracy of the fused prediction and of each branch, in all and by class."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric
from torch import Tensor

from plp.evaluation.calibration import Judged, judge
from plp.evaluation.finite import check_logits, check_scores, not_finite
from plp.probability import Probability
from plp.registry import METRICS

LogitsToScore = Callable[[Float[Tensor, "I C"]], Float[Tensor, " I"]]


class Outcomes(NamedTuple):
    """Predictions held against the truth: a few numbers per image, however many classes there are.

    Attributes:
        labels: True classes.
        predicted: Classes predicted, by line of evidence; `fused` is the prediction.
        judged: Confidence of the prediction, and how good it was.
        scores: Further numbers that follow from the prediction's logits, by name, such as
            out-of-distribution scores.
        not_finite: Which images have logits that are NaN or infinite, by line of evidence.
    """

    labels: Int[Tensor, " I"]
    predicted: dict[str, Int[Tensor, " I"]]
    judged: Judged
    scores: dict[str, Float[Tensor, " I"]]
    not_finite: dict[str, Bool[Tensor, " I"]]

    def select(self, places: Int[Tensor, " J"]) -> "Outcomes":
        """Return the outcomes of some images, in the order of `places`."""
        return Outcomes(
            self.labels[places],
            {name: value[places] for name, value in self.predicted.items()},
            Judged(*(value[places] for value in self.judged)),
            {name: value[places] for name, value in self.scores.items()},
            {name: value[places] for name, value in self.not_finite.items()},
        )


def outcomes(
    logits: Mapping[str, Float[Tensor, "I C"]],
    labels: Int[Tensor, " I"],
    scores: Mapping[str, LogitsToScore] | None = None,
    probability: Probability = "softmax",
) -> Outcomes:
    """Hold the logits of a batch against its labels.

    Args:
        logits: By line of evidence; `fused` is the prediction.
        labels: True classes.
        scores: What else to keep of the prediction's logits, by name.
        probability: What the learner's probabilities are.
    """
    fused = logits["fused"]
    return Outcomes(
        labels,
        {name: value.argmax(-1) for name, value in logits.items()},
        judge(fused, labels, probability),
        {name: score(fused) for name, score in (scores or {}).items()},
        {name: not_finite(value) for name, value in logits.items()},
    )


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """Put the outcomes of several batches behind one another."""
    first = parts[0]
    judged = zip(*(part.judged for part in parts), strict=True)
    return Outcomes(
        torch.cat([part.labels for part in parts]),
        {name: torch.cat([part.predicted[name] for part in parts]) for name in first.predicted},
        Judged(*(torch.cat(values) for values in judged)),
        {name: torch.cat([part.scores[name] for part in parts]) for name in first.scores},
        {name: torch.cat([part.not_finite[name] for part in parts]) for name in first.not_finite},
    )


class ClassificationReport(NamedTuple):
    """What a test run found.

    Attributes:
        accuracy: Percent correct by line of evidence; `fused` is the prediction.
        per_class: Percent correct of the fused prediction by class name; where two classes have one
            name, as in ImageNet, with the label behind it.
        confusion: How many images of class i (row) were taken for class j.
        outcomes: The predictions, image by image.
    """

    accuracy: dict[str, float]
    per_class: dict[str, float]
    confusion: Int[Tensor, "C C"]
    outcomes: Outcomes

    @property
    def num_images(self) -> int:
        """Images tested."""
        return len(self.outcomes.labels)


def classification_report(
    found: Outcomes, class_names: Sequence[str], part: str = "test"
) -> ClassificationReport:
    """Sum predictions up.

    Args:
        found: Predictions and labels.
        class_names: Names in label order.
        part: What the images are for, in messages: 'validation' or 'test'.

    Raises:
        NotFiniteError: if logits or scores are NaN or infinite: any class would be the best.

    Example:
        >>> logits = {'fused': torch.eye(2)[[0, 1, 1, 1]]}
        >>> found = outcomes(logits, torch.tensor([0, 0, 1, 1]))
        >>> report = classification_report(found, ['cat', 'dog'])
        >>> report.accuracy, report.per_class
        ({'fused': 75.0}, {'cat': 50.0, 'dog': 100.0})
    """
    check_logits(found.not_finite, part)
    check_scores(found.scores, part)
    size = len(class_names)
    accuracy = {
        name: 100 * (value == found.labels).double().mean().item()
        for name, value in found.predicted.items()
    }
    pairs = found.labels * size + found.predicted["fused"]
    confusion = torch.bincount(pairs, minlength=size * size).reshape(size, size)
    right, total = confusion.diagonal().double(), confusion.sum(1)
    per_class = {
        name: (100 * right[i] / total[i]).item()
        for i, name in enumerate(distinct(class_names))
        if total[i]
    }
    return ClassificationReport(accuracy, per_class, confusion, found)


def distinct(names: Sequence[str]) -> list[str]:
    """Return names that are all different: those of several classes with the label behind.

    Example:
        >>> distinct(["missile", "cat", "missile"])
        ['missile (0)', 'cat', 'missile (2)']
    """
    shared = {name for name, count in Counter(names).items() if count > 1}
    return [f"{name} ({i})" if name in shared else name for i, name in enumerate(names)]


def stacked(
    rows: Sequence[dict[str, Any]],
) -> tuple[dict[str, Float[Tensor, "I C"]], Int[Tensor, " I"]]:
    """Put the rows of `PromptLearner.predict` together: logits by line of evidence, and labels.

    Example:
        >>> rows = [dict(logits=torch.eye(2)[i], index=i, label=i) for i in (0, 1)]
        >>> stacked(rows)
        ({'fused': tensor([[1., 0.],
                [0., 1.]])}, tensor([0, 1]))
    """
    names = [name for name in rows[0] if name not in ("index", "label")]
    logits = {
        "fused" if name == "logits" else name: torch.stack([row[name] for row in rows])
        for name in names
    }
    return logits, torch.tensor([row["label"] for row in rows])


@METRICS.register_module()
class ClassificationMetric(BaseMetric):
    """Judges the rows of `PromptLearner.predict` as they come; no image counts twice.

    It keeps a few numbers per image, not logits: memory, and what the processes of a distributed
    run send each other, do not grow with the number of classes. All processes report the same.

    Args:
        class_names: Names in label order.
        scores: What else to keep of the prediction's logits, see `outcomes`.
        part: What the images are for, in messages.
        probability: What the learner's probabilities are.
    """

    default_prefix = ""
    results: list[tuple[Tensor, Outcomes]]  # positions of images, and what came of them

    def __init__(
        self,
        class_names: Sequence[str],
        scores: Mapping[str, LogitsToScore] | None = None,
        part: str = "test",
        probability: Probability = "softmax",
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.part = part
        self.probability = probability
        self.class_names = list(class_names)
        self.scores = dict(scores or {})
        self._report: ClassificationReport | None = None

    @property
    def report(self) -> ClassificationReport:
        """The report of the last evaluation.

        Raises:
            RuntimeError: before the first evaluation.
        """
        if self._report is None:
            raise RuntimeError("nothing has been evaluated yet")
        return self._report

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Judge a batch."""
        indices = torch.tensor([row["index"] for row in data_samples])
        found = outcomes(*stacked(data_samples), self.scores, self.probability)
        self.results.append((indices, found))

    def evaluate(self, size: int) -> dict[str, float]:
        """Evaluate the predictions of all processes; see `compute_metrics`."""
        parts = [part for own in all_gather_object(self.results) for part in own]
        self.results.clear()
        found = self.compute_metrics(parts)
        return {f"{self.prefix}/{k}": v for k, v in found.items()} if self.prefix else found

    def compute_metrics(self, results: list[tuple[Tensor, Outcomes]]) -> dict[str, float]:
        """Return the accuracies in percent, `accuracy` and `accuracy_<branch>`."""
        place_of = {int(index): i for i, index in enumerate(torch.cat([one for one, _ in results]))}
        places = torch.tensor([place_of[index] for index in sorted(place_of)])
        found = joined([part for _, part in results]).select(places)
        self._report = classification_report(found, self.class_names, self.part)
        return {
            "accuracy" if name == "fused" else f"accuracy_{name}": value
            for name, value in self._report.accuracy.items()
        }
