"""Tables as data: what stands in each cell, whatever it is written as.

A table of published numbers is another `Table`, with its sources as notes, put after ours; the two
never share a mean.
"""

import statistics
from collections.abc import Iterable, Sequence

from plp.results.cells import Cell, Table, Value, mark_best
from plp.results.run import Run
from plp.results.summary import Summary, average_over_datasets, in_order, summarise
from plp.results.test_images import ROW, counts_of, mark_images, notes_on_images
from plp.wording import count

AVERAGE = "average"


def accuracy_tables(
    runs: Sequence[Run],
    methods: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    line: str = "fused",
) -> list[Table]:
    """Return one table of accuracies for each number of shots, ascending."""
    shots = sorted({run.shots for run in runs})
    return [accuracy_table(runs, one, methods, datasets, line) for one in shots]


def accuracy_table(
    runs: Sequence[Run],
    shots: int,
    methods: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    line: str = "fused",
    apart: Sequence[str] = (),
) -> Table:
    """Return the accuracies at one number of shots: rows are methods, columns datasets.

    Args:
        runs: Rows; those of other shots are passed over.
        shots: Training images per class.
        methods: Which, in which order; by default those of the runs in order of appearance.
        datasets: Likewise.
        line: Line of evidence whose accuracy is shown.
        apart: Datasets shown in front of the others and left out of the average.

    Returns:
        Mean ± sample standard deviation over seeds in percent; the average over datasets, if there
        are several, of methods that have them all; learned parameters and median training time.
    """
    methods = in_order(run.method for run in runs) if methods is None else tuple(methods)
    datasets = in_order(run.dataset for run in runs) if datasets is None else tuple(datasets)
    asked = [
        run
        for run in runs
        if run.shots == shots and run.method in methods and run.dataset in (*apart, *datasets)
    ]
    cells = summarise(asked, line)
    usual = usual_seeds(cells.values())
    shown = [*apart, *datasets]
    columns, images = [], []
    for name in shown:
        column = mark_images(
            [value_of(cells.get((m, name, shots)), usual) for m in methods],
            [_images(asked, m, name) for m in methods],
        )
        columns.append(column.cells)
        images.append(column.images)
    header = ["method", *shown]
    if len(datasets) > 1:
        averages = [average_over_datasets(asked, m, shots, datasets, line) for m in methods]
        columns.append([value_of(average, usual) for average in averages])
        images.append("")
        header.append(AVERAGE)
    columns = [mark_best(column) for column in columns]
    mine = [[run for run in asked if run.method == m] for m in methods]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (m, *(column[i] for column in columns), _learned(mine[i]), _seconds(mine[i]))
        for i, m in enumerate(methods)
    )
    if any(images):
        rows = (*rows, (ROW, *images, "", ""))
    title = f"Test accuracy in percent, {count(shots, 'shot')}"
    header += ["learned parameters", "training, s"]
    return Table(title, tuple(header), rows, _notes(asked, usual, columns, len(datasets)))


def _images(runs: Sequence[Run], method: str, dataset: str) -> tuple[int, ...]:
    cell = (method, dataset)
    return counts_of(run.test_images for run in runs if (run.method, run.dataset) == cell)


def usual_seeds(cells: Iterable[Summary]) -> tuple[int, ...]:
    """Return the seeds that most cells have; of equally frequent ones, the longest list."""
    found = [cell.seeds for cell in cells]
    return max(found, key=lambda seeds: (found.count(seeds), len(seeds)), default=())


def value_of(cell: Summary | None, usual: tuple[int, ...]) -> Value | None:
    """Return a summary as a cell that says so if its seeds are not the usual ones."""
    if cell is None:
        return None
    if cell.seeds == usual:
        remark = ""
    elif not cell.seeds:
        remark = "mixed seeds"
    else:
        label = "seed" if len(cell.seeds) == 1 else "seeds"
        remark = f"{label} {', '.join(map(str, cell.seeds))}"
    return Value(cell.mean, cell.std, remark, other_code=cell.other_code, seeds=len(cell.seeds))


def _learned(runs: Sequence[Run]) -> Cell:
    counts = sorted({run.learned for run in runs})
    if not counts:
        return None
    return "–".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))


def _seconds(runs: Sequence[Run]) -> Cell:
    trained = [run.training_seconds for run in runs if "train" in run.seconds]
    return Value(statistics.median(trained)) if trained else None


def notes_on_seeds(
    usual: tuple[int, ...],
    other_code: Iterable[bool],
    columns: Iterable[Sequence[Value | None]] = (),
) -> tuple[str, ...]:
    """Return what must be known about seeds, and about runs of other code where there are any.

    Args:
        usual: Seeds that most cells have.
        other_code: Of each run, whether it is of other code.
        columns: The columns in which the best is marked.
    """
    notes = []
    if len(usual) > 1:
        seeds = ", ".join(map(str, usual))
        notes.append(
            f"Mean ± sample standard deviation over {len(usual)} seeds ({seeds}) where no others "
            "are named."
        )
    elif usual:
        notes.append(f"One seed ({usual[0]}) where no others are named: no deviation.")
    if any(len({value.seeds for value in column if value}) > 1 for column in columns):
        notes.append(
            "Bold: the best of a column among cells of as many seeds as its most-seeded cell has."
        )
    if any(other_code):
        notes.append("† A run among these is of another state of plp's code.")
    return tuple(notes)


def _notes(
    runs: Sequence[Run],
    usual: tuple[int, ...],
    columns: Iterable[Sequence[Value | None]],
    datasets: int,
) -> tuple[str, ...]:
    columns = list(columns)
    notes = list(notes_on_seeds(usual, (run.other_code for run in runs), columns))
    notes += notes_on_images(columns)
    if datasets > 1:
        notes.append(
            "The average counts each dataset the same and its deviation is over seeds; it is left "
            "out where a dataset is missing."
        )
    notes.append(
        "Learned parameters: those learned by gradient, least and most over the datasets; what is "
        "fitted otherwise or stored is not counted. Training: median seconds of a run, without "
        "encoding images ahead of it and without the test."
    )
    return tuple(notes)
