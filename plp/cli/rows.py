"""Predictions as text: a table for people, CSV and JSON lines for programs."""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import final

from plp.api import Classifier
from plp.inference import Prediction, Unreadable
from plp.printable import printable, safe_cell
from plp.report.html import readable

_WIDEST = 60  # characters of a path in a table; longer ones are not cut, they push the rest


class Rows(ABC):
    """Writes predictions line by line, as they come.

    Args:
        classifier: Whose predictions they are.
        paths: All images that will come.
        top_k: Classes an image.
    """

    def __init__(self, classifier: Classifier, paths: Sequence[Path], top_k: int) -> None:
        self.rejection, self.probability = classifier.rejection, classifier.probability
        self.top_k = min(top_k, len(classifier.class_names))
        self.width = min(max(len(printable(readable(str(path)))) for path in paths), _WIDEST)

    def lines(self, found: Iterable[Prediction | Unreadable]) -> Iterator[str]:
        """Yield the head, then a line per image."""
        yield from self.head()
        for one in found:
            yield self.error(one) if isinstance(one, Unreadable) else self.row(one)

    def head(self) -> list[str]:
        """Return the lines before the first image."""
        return []

    @abstractmethod
    def row(self, one: Prediction) -> str:
        """Return the line of a prediction."""

    @abstractmethod
    def error(self, one: Unreadable) -> str:
        """Return the line of an image that could not be read."""


@final
class TableRows(Rows):
    """For people: aligned columns; `accepted` is `-` without a threshold."""

    def head(self) -> list[str]:
        """Return the names of the columns."""
        return [f"{'image':<{self.width}}  accepted  {'OOD score':>10}  classes"]

    def row(self, one: Prediction) -> str:
        """Return path, decision, score, and the best classes with their probabilities."""
        word = {None: "-", True: "yes", False: "no"}[one.accepted]
        pairs = zip(one.labels, one.probabilities, strict=True)
        best = ", ".join(f"{printable(label)} {100 * p:.1f} %" for label, p in pairs)
        name = f"{printable(readable(one.name)):<{self.width}}"
        return f"{name}  {word:<8}  {one.ood_score:>10.5g}  {best}"

    def error(self, one: Unreadable) -> str:
        """Return path and the fact; the reasons stand at the end."""
        return f"{printable(readable(one.name)):<{self.width}}  {'-':<8}  {'-':>10}  (unreadable)"


@final
class CsvRows(Rows):
    """CSV: a column per class rank; `accepted` is empty without a threshold."""

    def head(self) -> list[str]:
        """Return the header."""
        ranks = [f"{key}_{k}" for k in range(1, self.top_k + 1) for key in ("label", "probability")]
        return [self._line(["image", "accepted", "ood_score", *ranks, "error"])]

    def row(self, one: Prediction) -> str:
        """Return a record."""
        word = {None: "", True: "true", False: "false"}[one.accepted]
        pairs = zip(one.labels, one.probabilities, strict=True)
        best = [value for pair in pairs for value in pair]
        return self._line([readable(one.name), word, one.ood_score, *best, ""])

    def error(self, one: Unreadable) -> str:
        """Return a record with nothing but path and reason."""
        return self._line([readable(one.name), *[""] * (2 + 2 * self.top_k), readable(one.reason)])

    def _line(self, values: Sequence[object]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(map(safe_cell, values))
        return text.getvalue()


@final
class JsonRows(Rows):
    """JSON lines: an object an image; `accepted` and `threshold` are null without a threshold.

    Where probabilities are of a sigmoid, `probability` says so.
    """

    def row(self, one: Prediction) -> str:
        """Return an object."""
        entries = {
            "image": readable(one.name),
            "labels": one.labels,
            "probabilities": one.probabilities,
            "score": self.rejection.score,
            "ood_score": one.ood_score,
            "threshold": self.rejection.threshold,
            "accepted": one.accepted,
        }
        if self.probability != "softmax":
            entries["probability"] = self.probability
        return json.dumps(entries, ensure_ascii=False)

    def error(self, one: Unreadable) -> str:
        """Return an object with path and reason."""
        entries = {"image": readable(one.name), "error": readable(one.reason)}
        return json.dumps(entries, ensure_ascii=False)


FORMATS: dict[str, type[Rows]] = {"table": TableRows, "csv": CsvRows, "jsonl": JsonRows}
