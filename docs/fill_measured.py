"""Write the measured numbers into each method's README and docs/results, from the tables there.

    python docs/fill_measured.py

Filled is what stands between the two marks. In `configs/<method>/README.md`: a table from
`summary.csv`, and one of the method's variants from `variants.csv` (same columns, `method` such as
`coop/lite_16shot_front`) where there is such a file with rows of the method. In
`docs/results/README.md`: all methods, a table for each number of shots.
"""

import csv
import statistics
from collections.abc import Sequence
from pathlib import Path

from plp.results.cells import Value
from plp.results.render import MISSING

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
BEGIN, END = "<!-- measured: python docs/fill_measured.py -->", "<!-- end of measured -->"
LINK = "[docs/results/README.md](../../docs/results/README.md)"
ORDER = ("textile", "dtd", "caltech101", "oxford_flowers")  # as there; others after these
METHODS = (  # the order of the tables in docs/results
    "zeroshot", "linear_probe", "zslp", "clap", "lpplus", "prolip", "twostage", "cliplora",
    "tip_adapter", "tip_adapter_f", "clip_adapter", "taskres", "coop", "cocoop", "kgcoop", "locoop",
    "plot", "gallop", "sotglp", "vpt", "ivlp", "maple", "promptsrc", "mma", "mmrl", "tcp",
)  # fmt: skip
TOWER = {"twostage": "MiniLM", "cliplora": "MiniLM"}  # what a tuner of the lite configs acts on
LEAST = 3  # seeds; fewer are named
VARIANT_SHOTS = "16"

Row = dict[str, str]


def rows_of(file: Path) -> list[Row]:
    """Read a table of means over seeds; a file that is not there has no rows."""
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def block(method: str, summary: Sequence[Row], variants: Sequence[Row]) -> str:
    """Return what stands between the marks in the README of a method."""
    mine = [row for row in summary if row["method"] == method]
    shots = sorted({row["shots"] for row in mine}, key=int)
    parts, usual = [_told(mine)], _usual(mine) if mine else []
    if mine:
        groups = [(k, [row for row in mine if row["shots"] == k]) for k in shots]
        parts.append(_table("shots", groups, usual))
    of_method = [
        row
        for row in variants
        if row["method"].startswith(f"{method}/") and row["shots"] == VARIANT_SHOTS
    ]
    if of_method:
        names = list(dict.fromkeys(row["method"] for row in of_method))
        groups = [(f"`{n.partition('/')[2]}`", _rows(of_method, n)) for n in names]
        shown = {row["dataset"] for row in of_method}
        main = [r for r in mine if r["shots"] == VARIANT_SHOTS and r["dataset"] in shown]
        if main and f"{method}/lite_16shot" not in names:
            groups.insert(0, ("`lite_16shot`", main))
        parts += [f"Variants, {VARIANT_SHOTS} shots:", _table("config", groups, usual)]
    return "\n\n".join(parts)


def filled(text: str, content: str) -> str:
    """Return a README with other content between its marks.

    Raises:
        ValueError: unless it has both marks, once.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"expected one {BEGIN!r} and one {END!r}")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{content}\n\n{END}{rest.partition(END)[2]}"


def readmes() -> dict[str, Path]:
    """Return the README of each method."""
    return {path.parent.name: path for path in sorted(ROOT.glob("configs/*/README.md"))}


def overview(summary: Sequence[Row]) -> str:
    """Return what stands between the marks in docs/results: a table for each number of shots."""
    usual, parts = _usual(summary), []
    for shots in sorted({row["shots"] for row in summary}, key=int):
        here = [row for row in summary if row["shots"] == shots]
        groups = [(_name(method), _rows(here, method)) for method in METHODS if _rows(here, method)]
        title = f"Test accuracy in percent, {shots} shot{'s' if int(shots) > 1 else ''}"
        parts += [f"## {title}", _table("method", groups, usual, compare=True)]
    return "\n\n".join(parts)


def main(results: Path = RESULTS) -> None:
    """Fill every README, and name those that changed."""
    summary, variants = rows_of(results / "summary.csv"), rows_of(results / "variants.csv")
    contents = {path: block(method, summary, variants) for method, path in readmes().items()} | {
        RESULTS / "README.md": overview(summary)
    }
    for path, content in contents.items():
        text = path.read_text(encoding="utf-8")
        new = filled(text, content)
        if new != text:
            path.write_text(new, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


def _rows(rows: Sequence[Row], method: str) -> list[Row]:
    return [row for row in rows if row["method"] == method]


def _name(method: str) -> str:
    return f"{method} ({TOWER[method]})" if method in TOWER else method


def _told(mine: Sequence[Row]) -> str:
    """Say what the numbers are; the seeds named are those of the most-seeded cell."""
    if not mine:
        return f"Not measured; other methods: {LINK}."
    seeds = _usual(mine)
    over = (
        f"mean ± sample deviation over seeds {', '.join(seeds)};\na cell of other seeds names them"
    )
    return (
        f"Test accuracy in percent on the lite backbone (not CLIP), "
        f"{over if len(seeds) > 1 else f'seed {seeds[0]} alone'}. "
        f"Datasets, precision, time, other methods:\n{LINK}."
    )


def _usual(rows: Sequence[Row]) -> list[str]:
    return max((row["seeds"].split() for row in rows), key=len)


def _table(
    first: str,
    groups: Sequence[tuple[str, Sequence[Row]]],
    usual: Sequence[str],
    compare: bool = False,
) -> str:
    """Return a table with a line for each group of rows and a column for each dataset.

    With `compare`, the best of a column is bold, among cells of all seeds, with all that equal it
    as printed, and the last column is the mean over datasets where none is missing.
    """
    found = list(dict.fromkeys(row["dataset"] for _, rows in groups for row in rows))
    columns = sorted(found, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    header = [first, *columns, *(["average"] if compare else [])]
    lines = [_bar(header), _bar([":---", *["---:"] * (len(header) - 1)])]
    best = _best([row for _, rows in groups for row in rows], usual) if compare else {}
    for name, rows in groups:
        cells = {row["dataset"]: _cell(row, usual, best.get(row["dataset"])) for row in rows}
        line = [name, *(cells.get(column, MISSING) for column in columns)]
        lines.append(_bar([*line, *([_average(rows, len(columns))] if compare else [])]))
    if any(row["other_code"] == "True" for _, rows in groups for row in rows):
        lines += ["", "† A run among these is of another state of plp's code."]
    return "\n".join(lines)


def _best(rows: Sequence[Row], usual: Sequence[str]) -> dict[str, str]:
    """Return the highest mean by dataset as printed, of cells with the usual seeds."""
    best: dict[str, str] = {}
    for row in rows:
        if row["seeds"].split() == usual:
            best[row["dataset"]] = max(_mean(row), best.get(row["dataset"], "0"), key=float)
    return best


def _mean(row: Row) -> str:
    return Value(float(row["mean"]), None).text


def _average(rows: Sequence[Row], columns: int) -> str:
    if len(rows) < columns:
        return MISSING
    return f"{statistics.mean(float(row['mean']) for row in rows):.1f}"


def _cell(row: Row, usual: Sequence[str], best: str | None = None) -> str:
    text = Value(float(row["mean"]), float(row["std"]) if row["std"] else None).text
    text = f"**{text}**" if _mean(row) == best and row["seeds"].split() == usual else text
    text += "†" if row["other_code"] == "True" else ""
    seeds = row["seeds"].split()
    if seeds == usual and len(seeds) >= LEAST:
        return text
    return f"{text} (seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)})"


def _bar(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
