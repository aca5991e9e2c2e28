"""Tables of out-of-distribution detection, and means over seeds."""

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from plp.errors import DataError
from plp.results.cells import Cell, Table, Value, mark_best
from plp.results.ood_run import ALL_SETS, ID, OODRun
from plp.results.settings import require_equal
from plp.results.summary import Summary, in_order
from plp.results.tables import notes_on_seeds, usual_seeds, value_of
from plp.results.test_images import ROW, counts_of, mark_images, notes_on_images
from plp.wording import count

SHORT = {"GlobalLocalMCM": "GL-MCM", "LocalMCM": "L-MCM"}
FPR95, AUROC = "fpr95_id", "auroc"
TITLES = {FPR95: "FPR95 (ID)", AUROC: "AUROC"}
_NOTES = {
    FPR95: "FPR95 (ID), lower is better: share of out-of-distribution images accepted at the "
    "threshold that accepts 95 % of the in-distribution test images (MCM, LoCoOp, GalLoP, "
    "SOT-GLP). It is not OpenOOD's FPR95, which table.csv of tools/ood.py has as FPR95 (OOD).",
    AUROC: "AUROC, higher is better.",
}


class Key(NamedTuple):
    """What seeds are averaged within."""

    method: str
    score: str
    dataset: str
    shots: int


def ood_tables(
    runs: Sequence[OODRun],
    methods: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    sets: Sequence[str] | None = None,
) -> list[Table]:
    """Return, for each dataset and shots, a table of FPR95 and one of AUROC.

    Args:
        runs: Rows, one per method, score and seed.
        methods: Methods in the order of the rows; by default those of the runs.
        datasets: In-distribution datasets; by default those of the runs.
        sets: Out-of-distribution sets in the order of the columns; by default those of the runs.

    Returns:
        Rows are methods with their score, columns accuracy, sets, means of near, far and all sets;
        mean ± sample standard deviation over seeds, in percent.
    """
    methods = in_order(run.method for run in runs) if methods is None else methods
    datasets = in_order(run.dataset for run in runs) if datasets is None else datasets
    sets = in_order(name for run in runs for name in run.sets) if sets is None else sets
    return [
        _table([run for run in asked if run.method in methods], methods, sets, metric)
        for dataset in datasets
        for shots in sorted({run.shots for run in runs})
        if (asked := [run for run in runs if (run.dataset, run.shots) == (dataset, shots)])
        for metric in (FPR95, AUROC)
    ]


def over_seeds(runs: Sequence[OODRun], value: Callable[[OODRun], float | None]) -> Summary | None:
    """Return mean and sample deviation of a number over rows of one method; None without any.

    Raises:
        DataError: if two rows are of one seed, or were run with different settings.
    """
    found = sorted(
        (run.seed, number, run.other_code) for run in runs if (number := value(run)) is not None
    )
    if not found:
        return None
    seeds, numbers, others = (tuple(column) for column in zip(*found, strict=True))
    if len(set(seeds)) < len(seeds):
        one = runs[0]
        raise DataError(
            f"{one.method} on {one.dataset}, {one.shots} shots: a seed is there twice ({seeds}). A "
            "mean must count a seed once"
        )
    require_equal(
        f"{runs[0].method} on {runs[0].dataset}, {count(runs[0].shots, 'shot')}",
        [(f"seed {run.seed} ({run.path})", run.settings) for run in runs],
    )
    std = statistics.stdev(numbers) if len(numbers) > 1 else None
    return Summary(statistics.fmean(numbers), std, seeds, any(others))


def by_key(runs: Sequence[OODRun]) -> dict[Key, list[OODRun]]:
    """Group rows that differ in nothing but the seed."""
    groups: dict[Key, list[OODRun]] = {}
    for run in runs:
        groups.setdefault(Key(run.method, run.score, run.dataset, run.shots), []).append(run)
    return groups


def label_of(key: Key) -> str:
    """Return method and score in words.

    Example:
        >>> label_of(Key('coop', 'MCM', 'dtd', 16))
        'coop, MCM'
    """
    return f"{key.method}, {SHORT.get(key.score, key.score)}"


def _table(
    runs: Sequence[OODRun], methods: Sequence[str], sets: Sequence[str], metric: str
) -> Table:
    groups = sorted(by_key(runs).items(), key=lambda group: list(methods).index(group[0].method))
    averages = [
        name for name in ("near", "far", ALL_SETS) if any(name in run.averages for run in runs)
    ]
    if len(sets) < 2:
        averages = []
    numbers = [("accuracy", ""), *(("sets", n) for n in sets), *(("averages", n) for n in averages)]
    columns = [
        [over_seeds(rows, partial(_number, what, name, metric)) for _, rows in groups]
        for what, name in numbers
    ]
    usual = usual_seeds(cell for column in columns for cell in column if cell is not None)
    cells, images = [], []
    for (what, name), found in zip(numbers, columns, strict=True):
        counts = [counts_of(_images(what, name, run) for run in rows) for _, rows in groups]
        column = mark_images([value_of(cell, usual) for cell in found], counts)
        cells.append(column.cells)
        images.append(column.images)
    marked = [mark_best(cells[0])] + [_best(column, metric) for column in cells[1:]]
    body: tuple[tuple[Cell, ...], ...] = tuple(
        (label_of(key), *(column[i] for column in marked)) for i, (key, _) in enumerate(groups)
    )
    body = (*body, (ROW, *images)) if any(images) else body
    one = runs[0]
    near = [name for name in sets if one.groups.get(name) == "near"]
    title = f"{TITLES[metric]} in percent, {one.dataset}, {count(one.shots, 'shot')}"
    notes = notes_on_seeds(usual, (run.other_code for run in runs), marked)
    header = ("method, score", "accuracy", *sets, *(f"average of {name}" for name in averages))
    told = f"Near: {', '.join(near)}; the other sets are far." if near else "All sets are far."
    return Table(title, header, body, (*notes, *notes_on_images(marked), _NOTES[metric], told))


def _number(what: str, name: str, metric: str, run: OODRun) -> float | None:
    if what == "accuracy":
        return run.accuracy
    found: float | None = getattr(run, what).get(name, {}).get(metric)
    return found


def _images(what: str, name: str, run: OODRun) -> int | None:
    """Return how many images a number is of: the in-distribution ones beside those of a set."""
    return run.images.get({"accuracy": ID, "sets": name}.get(what, ""))


def _best(column: list[Value | None], metric: str) -> list[Value | None]:
    """Mark the best number of a column: the lowest of FPR95, the highest of AUROC."""
    if metric != FPR95:
        return mark_best(column)
    turned = mark_best([value and value._replace(mean=-value.mean) for value in column])
    return [value and value._replace(mean=-value.mean) for value in turned]
