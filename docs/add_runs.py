"""Add single runs to docs/results/runs.csv; write summary.csv, the figure and the pages from all.

    python docs/add_runs.py work_dirs/results [MORE ...]

The folders are `--out` of `tools/compare.py` or `tools/collect.py`. A run that is there already is
replaced.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import fill_measured
from fill_measured import METHODS, ORDER, RESULTS, Row, rows_of

from plp.results.csv_text import summary_to_csv, to_csv
from plp.results.figure import draw_accuracy_over_shots, save_figure
from plp.results.run import Run

LEFT_OUT = ("path", "other_code")  # of the machine that ran it
ACCURACY = "accuracy_"


def merged(old: list[Row], new: list[Row]) -> list[Row]:
    """Return all runs in the order of the tables; of one that is in both, the new row."""
    runs = {_place(row): row for row in [*old, *new]}
    return [runs[place] for place in sorted(runs)]


def run_of(row: Row) -> Run:
    """Return what means and figure need of a row."""
    accuracy = {
        name.removeprefix(ACCURACY): float(value)
        for name, value in row.items()
        if name.startswith(ACCURACY) and value
    }
    return Run(
        row["method"], row["dataset"], int(row["shots"]), int(row["seed"]), accuracy, {},
        int(row["learned"]),
    )  # fmt: skip


def add(folders: Sequence[Path], results: Path) -> None:
    """Write the two tables and the figure."""
    old = rows_of(results / "runs.csv")
    rows = merged(old, [row for folder in folders for row in rows_of(folder / "table.csv")])
    names = dict.fromkeys(name for row in rows for name in row)
    header = [name for name in names if name not in LEFT_OUT]
    text = to_csv(header, [[row.get(name, "") for name in header] for row in rows])
    (results / "runs.csv").write_text(text, encoding="utf-8")
    runs = [run_of(row) for row in rows]
    (results / "summary.csv").write_text(summary_to_csv(runs), encoding="utf-8")
    figure = draw_accuracy_over_shots(runs, METHODS, ORDER)
    save_figure(figure, results / "accuracy_over_shots.png")
    print(f"{len(rows)} runs, {len(rows) - len(old)} of them new")


def _place(row: Row) -> tuple[int, int, int, int]:
    return (
        METHODS.index(row["method"]), ORDER.index(row["dataset"]), int(row["shots"]),
        int(row["seed"]),
    )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, help="with a table.csv")
    add(parser.parse_args().folders, RESULTS)
    fill_measured.main()
