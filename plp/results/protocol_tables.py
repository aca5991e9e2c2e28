"""Tables of the protocols: new classes, other datasets, shifts."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from plp.results.cells import Cell, Table, Value, mark_best
from plp.results.run import Run
from plp.results.summary import Summary, in_order, summarise
from plp.results.tables import AVERAGE, accuracy_table, notes_on_seeds, usual_seeds, value_of
from plp.results.test_images import ROW, counts_of, mark_images, notes_on_images
from plp.wording import count

BASE, NEW, HARMONIC = "base", "new", "harmonic mean"
PARTS = (BASE, NEW, HARMONIC)
_DEFINITION = (
    "Trained on the first half of the classes (by label, the larger half of an odd number). Base: "
    "test images of these among these; new: those of the other half among themselves, their names "
    "never seen in training. The harmonic mean is taken seed by seed, on the row of the average of "
    "the averaged accuracies, as published tables do."
)


def harmonic_mean(one: float, other: float) -> float:
    """Return 2ab / (a + b), 0 for two zeros.

    Example:
        >>> round(harmonic_mean(82.69, 63.22), 2)
        71.66
    """
    return 2 * one * other / (one + other) if one + other else 0.0


def base_to_new_tables(
    runs: Sequence[Run], methods: Sequence[str], datasets: Sequence[str], line: str = "fused"
) -> list[Table]:
    """Return a table of base, new and harmonic mean for each dataset and shots.

    With several datasets the first table is that of their average, of methods that have them all.

    Args:
        runs: Rows whose datasets are called `NAME-base` and `NAME-new`.
        methods: Methods in the order of the rows.
        datasets: Datasets by NAME.
        line: Line of evidence whose accuracy is shown.
    """
    tables = []
    for shots in sorted({run.shots for run in runs}):
        rows = _with_harmonic_means(runs, methods, datasets, shots, line)
        names = ([AVERAGE] if len(datasets) > 1 else []) + list(datasets)
        for name in names:
            title = f"{AVERAGE} of {len(datasets)} datasets" if name == AVERAGE else name
            tables.append(_base_to_new_table(rows, methods, name, shots, title))
    return tables


def transfer_tables(
    runs: Sequence[Run],
    sources: Mapping[str, str],
    methods: Sequence[str],
    datasets: Sequence[str],
    targets: Sequence[str],
) -> list[Table]:
    """Return a table for each training set and shots: its own test, then each target, their mean.

    Args:
        runs: Rows.
        sources: Training set of each row, by the row's folder.
        methods: Methods in the order of the rows.
        datasets: Training sets.
        targets: Datasets tested.
    """
    tables = []
    for shots in sorted({run.shots for run in runs}):
        for source in datasets:
            mine = [run for run in runs if sources.get(run.path) == source]
            elsewhere = [name for name in targets if name != source]
            table = accuracy_table(mine, shots, methods, elsewhere, apart=(source,))
            title = f"Trained on {source}: {table.title.lower()}"
            note = f"The average leaves {source} out."
            tables.append(table._replace(title=title, notes=(*table.notes, note)))
    return tables


def _with_harmonic_means(
    runs: Sequence[Run], methods: Iterable[str], datasets: Sequence[str], shots: int, line: str
) -> list[Run]:
    """Return rows of base, new and their harmonic mean, and of the average over datasets."""
    found = {
        (run.method, run.dataset, run.seed): run
        for run in runs
        if run.shots == shots and line in run.accuracy
    }
    rows = []
    for method in methods:
        for seed in sorted({key[2] for key in found if key[0] == method}):
            pairs = {
                name: (found[method, f"{name}-{BASE}", seed], found[method, f"{name}-{NEW}", seed])
                for name in datasets
                if (method, f"{name}-{BASE}", seed) in found
                and (method, f"{name}-{NEW}", seed) in found
            }
            for name, pair in pairs.items():
                base, new = (run.accuracy[line] for run in pair)
                three = _three(pair[0], name, base, new, any(run.other_code for run in pair))
                rows += [
                    row._replace(test_images=run and run.test_images, settings=run and run.settings)
                    for row, run in zip(three, (*pair, None), strict=True)
                ]
            if len(datasets) > 1 and len(pairs) == len(datasets):
                base, new = (fmean(p[i].accuracy[line] for p in pairs.values()) for i in (0, 1))
                other = any(run.other_code for pair in pairs.values() for run in pair)
                first = next(iter(pairs.values()))[0]
                like = first._replace(test_images=None, settings=None)
                rows += _three(like, AVERAGE, base, new, other)
    return rows


def _three(like: Run, name: str, base: float, new: float, other_code: bool) -> list[Run]:
    values = zip(PARTS, (base, new, harmonic_mean(base, new)), strict=True)
    return [
        like._replace(dataset=f"{name}-{part}", accuracy={"fused": value}, other_code=other_code)
        for part, value in values
    ]


def _base_to_new_table(
    rows: Sequence[Run], methods: Sequence[str], name: str, shots: int, title: str
) -> Table:
    asked = [run for run in rows if run.dataset in {f"{name}-{part}" for part in PARTS}]
    cells: dict[tuple[str, str, int], Summary] = summarise(asked)
    usual = usual_seeds(cells.values())
    marked = [
        mark_images(
            [value_of(cells.get((m, f"{name}-{part}", shots)), usual) for m in methods],
            [_images(asked, m, f"{name}-{part}", shots) for m in methods],
        )
        for part in PARTS
    ]
    columns: list[list[Value | None]] = [mark_best(column.cells) for column in marked]
    images = [column.images for column in marked]
    body: tuple[tuple[Cell, ...], ...] = tuple(
        (method, *(column[i] for column in columns)) for i, method in enumerate(methods)
    )
    body = (*body, (ROW, *images)) if any(images) else body
    what = f"Base to new, {title}, {count(shots, 'shot')}"
    notes = notes_on_seeds(usual, in_order(run.other_code for run in asked), columns)
    return Table(what, ("method", *PARTS), body, (*notes, *notes_on_images(columns), _DEFINITION))


def _images(runs: Sequence[Run], method: str, dataset: str, shots: int) -> tuple[int, ...]:
    cell = (method, dataset, shots)
    return counts_of(r.test_images for r in runs if (r.method, r.dataset, r.shots) == cell)
