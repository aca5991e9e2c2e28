"""Tables as data: what stands in each cell, whatever it is written as.

A table of published numbers is another `Table`, with its sources as notes, put behind ours; the two
never share a mean.
"""

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from plp.results.run import Run
from plp.results.summary import Summary, average_over_datasets, in_order, summarise
from plp.wording import count

AVERAGE = "average"


class Value(NamedTuple):
    """A number in a cell.

    Attributes:
        mean: The number.
        std: What stands behind ±, if anything.
        remark: Said in brackets behind it, such as '2 seeds'.
        best: Whether it is the best of its column.
        other_code: Whether a dagger marks it.
        digits: Decimal places.
        seeds: Number of seeds it is a mean of; 0 where that is not one number.
    """

    mean: float
    std: float | None = None
    remark: str = ""
    best: bool = False
    other_code: bool = False
    digits: int = 1
    seeds: int = 0

    @property
    def text(self) -> str:
        """The number and its deviation, without dagger and remark."""
        spread = "" if self.std is None else f" ± {self.std:.{self.digits}f}"
        return f"{self.mean:.{self.digits}f}{spread}"


Cell = Value | str | None  # None: missing


class Table(NamedTuple):
    """A table.

    Attributes:
        title: What it shows.
        header: Names of the columns; the first is the one of the row names.
        rows: Cells, as many a row as the header has; the first is the name of the row.
        notes: What must be known to read it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


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
    """Return the accuracies at one number of shots: rows are methods, columns data sets.

    Args:
        runs: Rows; those of other shots are passed over.
        shots: Training images a class.
        methods: Which, in which order; by default those of the runs in order of appearance.
        datasets: Likewise.
        line: Line of evidence whose accuracy is shown.
        apart: Data sets shown in front of the others and left out of the average.

    Returns:
        Mean ± sample standard deviation over seeds in percent; the average over data sets, if there
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
    columns = [[value_of(cells.get((m, d, shots)), usual) for m in methods] for d in shown]
    header = ["method", *shown]
    if len(datasets) > 1:
        averages = [average_over_datasets(asked, m, shots, datasets, line) for m in methods]
        columns.append([value_of(average, usual) for average in averages])
        header.append(AVERAGE)
    columns = [mark_best(column) for column in columns]
    mine = [[run for run in asked if run.method == m] for m in methods]
    rows = tuple(
        (m, *(column[i] for column in columns), _learned(mine[i]), _seconds(mine[i]))
        for i, m in enumerate(methods)
    )
    title = f"Test accuracy in percent, {count(shots, 'shot')}"
    header += ["learned parameters", "training, s"]
    return Table(title, tuple(header), rows, _notes(asked, usual, columns, len(datasets)))


def mark_best(column: Sequence[Value | None]) -> list[Value | None]:
    """Mark the highest number of a column; numbers that read the same are best together.

    Only means of as many seeds as the most-seeded of the column take part: a mean of one seed lies
    far from that of three by chance alone. Nothing is marked where nothing can be compared.

    Example:
        >>> [v.best for v in mark_best([Value(61.04), Value(60.96), Value(60.0)])]
        [True, True, False]
        >>> of_three = [Value(61.0, seeds=3), Value(60.0, seeds=3)]
        >>> [v.best for v in mark_best([Value(70.0, seeds=1), *of_three])]
        [False, True, False]
    """
    values = [value for value in column if value is not None]
    most = max((value.seeds for value in values), default=0)
    shown = [round(value.mean, value.digits) for value in values if value.seeds == most]
    if len(shown) < 2:
        return list(column)
    return [
        value
        and value._replace(
            best=value.seeds == most and round(value.mean, value.digits) == max(shown)
        )
        for value in column
    ]


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
    notes = list(notes_on_seeds(usual, (run.other_code for run in runs), columns))
    if datasets > 1:
        notes.append(
            "The average counts each data set the same and its deviation is over seeds; it is left "
            "out where a data set is missing."
        )
    notes.append(
        "Learned parameters: those learned by gradient, least and most over the data sets; what is "
        "fitted otherwise or stored is not counted. Training: median seconds of a run, without "
        "encoding images ahead of it and without the test."
    )
    return tuple(notes)
