"""Runs as comma-separated values."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from plp.printable import safe_cell
from plp.results.ood_run import METRICS, OODRun
from plp.results.run import Run
from plp.results.summary import in_order, summarise


def runs_to_csv(runs: Sequence[Run]) -> str:
    """Write the long format, a line per run; accuracies and durations by name, unrounded."""
    lines = sorted({name for run in runs for name in run.accuracy}, key=lambda n: (n != "fused", n))
    stages = in_order(name for run in runs for name in run.seconds)
    plain = ("method", "dataset", "shots", "seed", "selection", "epochs", "learned", "device")
    header = (
        *plain,
        *(f"accuracy_{name}" for name in lines),
        *(f"seconds_{name}" for name in stages),
        *("commit", "other_code", "path", "test_images", "settings"),
    )
    rows = (
        [getattr(run, name) for name in plain]
        + [run.accuracy.get(name) for name in lines]
        + [run.seconds.get(name) for name in stages]
        + [run.commit, run.other_code, run.path, run.test_images, _digest(run)]
        for run in runs
    )
    return to_csv(header, rows)


def summary_to_csv(runs: Sequence[Run], line: str = "fused") -> str:
    """Write mean and sample deviation over seeds, a line for each method, dataset and shots.

    Numbers of test images and digests of settings stand behind, where any are known.
    """
    header = ["method", "dataset", "shots", "num_seeds", "seeds", "mean", "std", "other_code"]
    behind: dict[str, Callable[[Run], Any]] = {
        "test_images": lambda run: run.test_images,
        "settings": lambda run: _digest(run) or None,
    }
    known = {
        name: _by_cell(runs, value)
        for name, value in behind.items()
        if any(value(run) is not None for run in runs)
    }
    rows = (
        [*key, len(cell.seeds), " ".join(map(str, cell.seeds)), f"{cell.mean:.4f}",
         "" if cell.std is None else f"{cell.std:.4f}", cell.other_code,
         *(found[key] for found in known.values())]
        for key, cell in summarise(runs, line).items()
    )  # fmt: skip
    return to_csv([*header, *known], rows)


def _digest(run: Run | OODRun) -> str:
    return run.settings.digest if run.settings else ""


def _by_cell(runs: Sequence[Run], value: Callable[[Run], Any]) -> dict[Any, str]:
    """Return the distinct values of the runs of each cell, with spaces between."""
    found: dict[Any, dict[str, None]] = {}
    for run in runs:
        if (one := value(run)) is not None:
            found.setdefault((run.method, run.dataset, run.shots), {})[str(one)] = None
    keys = {(run.method, run.dataset, run.shots) for run in runs}
    return {key: " ".join(found.get(key, ())) for key in keys}


def ood_to_csv(runs: Sequence[OODRun]) -> str:
    """Write tests of out-of-distribution detection, a line for each set and average of a test."""
    plain = ("method", "dataset", "shots", "seed", "score", "accuracy")
    rows = (
        [*(getattr(run, name) for name in plain), what, name, *(found.get(m) for m in METRICS),
         run.other_code, run.images.get(name), _digest(run)]
        for run in runs
        for what, parts in (("set", run.sets), ("average", run.averages))
        for name, found in parts.items()
    )  # fmt: skip
    return to_csv((*plain, "kind", "name", *METRICS, "other_code", "images", "settings"), rows)


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Write a header and rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(safe_cell, header))
    writer.writerows(map(safe_cell, row) for row in rows)
    return text.getvalue()
