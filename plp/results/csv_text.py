"""Runs as comma-separated values."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from plp.results.ood_run import METRICS, OODRun
from plp.results.run import Run
from plp.results.summary import in_order, summarise


def runs_to_csv(runs: Sequence[Run]) -> str:
    """Write the long format, a line a run; accuracies and durations by name, in full precision."""
    lines = sorted({name for run in runs for name in run.accuracy}, key=lambda n: (n != "fused", n))
    stages = in_order(name for run in runs for name in run.seconds)
    plain = ("method", "dataset", "shots", "seed", "selection", "epochs", "learned", "device")
    header = (
        *plain,
        *(f"accuracy_{name}" for name in lines),
        *(f"seconds_{name}" for name in stages),
        *("commit", "other_code", "path"),
    )
    rows = (
        [getattr(run, name) for name in plain]
        + [run.accuracy.get(name) for name in lines]
        + [run.seconds.get(name) for name in stages]
        + [run.commit, run.other_code, run.path]
        for run in runs
    )
    return to_csv(header, rows)


def summary_to_csv(runs: Sequence[Run], line: str = "fused") -> str:
    """Write mean and sample deviation over seeds, a line for each method, data set and shots."""
    header = ("method", "dataset", "shots", "num_seeds", "seeds", "mean", "std", "other_code")
    rows = (
        [*key, len(cell.seeds), " ".join(map(str, cell.seeds)), f"{cell.mean:.4f}",
         "" if cell.std is None else f"{cell.std:.4f}", cell.other_code]
        for key, cell in summarise(runs, line).items()
    )  # fmt: skip
    return to_csv(header, rows)


def ood_to_csv(runs: Sequence[OODRun]) -> str:
    """Write tests of out-of-distribution detection, a line for each set and average of a test."""
    plain = ("method", "dataset", "shots", "seed", "score", "accuracy")
    rows = (
        [*(getattr(run, name) for name in plain), what, name, *(found.get(m) for m in METRICS),
         run.other_code]
        for run in runs
        for what, parts in (("set", run.sets), ("average", run.averages))
        for name, found in parts.items()
    )  # fmt: skip
    return to_csv((*plain, "kind", "name", *METRICS, "other_code"), rows)


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Write a header and rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
