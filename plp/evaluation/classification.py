"""Accuracy of the fused prediction and of each branch, in all and by class."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from mmengine.dist import broadcast_object_list, get_world_size, is_main_process
from mmengine.evaluator import BaseMetric
from torch import Tensor

from plp.registry import METRICS


class ClassificationReport(NamedTuple):
    """What a test run found.

    Attributes:
        accuracy: Percent correct by line of evidence; `fused` is the prediction.
        per_class: Percent correct of the fused prediction by class name; where two classes have one
            name, as in ImageNet, with the label behind it.
        confusion: How many images of class i (row) were taken for class j.
        num_images: Images tested.
        logits: Logits by line of evidence, in the order of the images.
        labels: True classes, in the same order.
    """

    accuracy: dict[str, float]
    per_class: dict[str, float]
    confusion: Int[Tensor, "C C"]
    num_images: int
    logits: dict[str, Float[Tensor, "I C"]]
    labels: Int[Tensor, " I"]


def classification_report(
    logits: Mapping[str, Float[Tensor, "I C"]],
    labels: Int[Tensor, " I"],
    class_names: Sequence[str],
) -> ClassificationReport:
    """Compare predictions with labels.

    Args:
        logits: By line of evidence; `fused` is the one that per-class figures are made from.
        labels: True classes.
        class_names: Names in label order.

    Example:
        >>> logits = {'fused': torch.eye(2)[[0, 1, 1, 1]]}
        >>> report = classification_report(logits, torch.tensor([0, 0, 1, 1]), ['cat', 'dog'])
        >>> report.accuracy, report.per_class
        ({'fused': 75.0}, {'cat': 50.0, 'dog': 100.0})
    """
    size = len(class_names)
    accuracy = {
        name: 100 * (value.argmax(-1) == labels).double().mean().item()
        for name, value in logits.items()
    }
    pairs = labels * size + logits["fused"].argmax(-1)
    confusion = torch.bincount(pairs, minlength=size * size).reshape(size, size)
    right, total = confusion.diagonal().double(), confusion.sum(1)
    per_class = {
        name: (100 * right[i] / total[i]).item()
        for i, name in enumerate(distinct(class_names))
        if total[i]
    }
    return ClassificationReport(accuracy, per_class, confusion, len(labels), dict(logits), labels)


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
    """Collects predictions of `PromptLearner.predict`; no image counts twice.

    In a distributed run the first process puts the others' predictions together and reports; the
    others get its report without the logits.

    Args:
        class_names: Names in label order.
    """

    default_prefix = ""

    def __init__(self, class_names: Sequence[str], **keywords: Any) -> None:
        super().__init__(**{"collect_device": "gpu", **keywords})  # no files to collect through
        self.class_names = list(class_names)
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

    def evaluate(self, size: int) -> dict[str, float]:
        """Evaluate the predictions of all processes."""
        metrics = super().evaluate(size)
        if get_world_size() > 1:
            shared: list[ClassificationReport | None] = [None]
            if is_main_process():
                shared = [self.report._replace(logits={}, labels=self.report.labels[:0])]
            broadcast_object_list(shared)
            self._report = self._report if is_main_process() else shared[0]
        return metrics

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep the logits, label and index of each image."""
        self.results.extend(data_samples)

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Return the accuracies in percent, `accuracy` and `accuracy_<branch>`."""
        rows = sorted({row["index"]: row for row in results}.values(), key=lambda row: row["index"])
        self._report = classification_report(*stacked(rows), self.class_names)
        return {
            "accuracy" if name == "fused" else f"accuracy_{name}": value
            for name, value in self._report.accuracy.items()
        }
