"""All that is made from the rows of a comparison, written to one folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plp.files import write_text
from plp.results.cells import Table
from plp.results.csv_text import ood_to_csv, runs_to_csv, summary_to_csv
from plp.results.earlier import keep_earlier
from plp.results.figure import draw_accuracy_over_shots, save_if_possible
from plp.results.ood_run import OODRun
from plp.results.ood_tables import ood_tables
from plp.results.plane import draw_plane
from plp.results.render import to_latex, to_markdown
from plp.results.run import Run
from plp.results.tables import accuracy_tables
from plp.wording import count

SCHEMA = 1
FIGURE, PLANE = "accuracy_over_shots", "plane"


def write_outputs(
    folder: str | Path,
    runs: Sequence[Run],
    *,
    methods: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    extra: Mapping[str, Any] | None = None,
    more_tables: Sequence[Table] = (),
    notes: Sequence[str] = (),
    ood: Sequence[OODRun] = (),
) -> list[Path]:
    """Write results.json, table.md, table.tex, table.csv, summary.csv and the figures.

    With tests of out-of-distribution detection their tables, ood.csv and the accuracy-robustness
    plane too. Without matplotlib the figures are left out, and that is said. Files of an earlier
    call that hold rows which these do not are kept, see `keep_earlier`.

    Args:
        folder: Where to write; made if it is missing.
        runs: Rows.
        methods: Methods in the order of the tables; by default those of the runs.
        datasets: Likewise.
        extra: Further entries of results.json, such as the environment; what `remarks_on` names
            stands in front of the tables too.
        more_tables: Tables put after ours, such as published numbers with their sources.
        notes: Sentences put in front of the tables.
        ood: Rows of out-of-distribution detection.

    Returns:
        The files.
    """
    folder = Path(folder)
    shown = _of_ood(methods, ood)
    tables = [*all_tables(runs, methods, datasets, ood), *more_tables]
    rows = [entry_of(run, folder) for run in runs]
    result = {
        "schema": SCHEMA, **(extra or {}), "notes": list(notes), "runs": rows,
        **({"ood": [entry_of(run, folder) for run in ood]} if ood else {}),
    }  # fmt: skip
    local = [run._replace(path=row["path"]) for run, row in zip(runs, rows, strict=True)]
    texts = {
        "results.json": json.dumps(result, indent=1, ensure_ascii=False, default=str) + "\n",
        **to_text(tables, "Comparison", [*remarks_on(extra or {}), *notes]),
        "table.csv": runs_to_csv(local),
        "summary.csv": summary_to_csv(runs),
        **({"ood.csv": ood_to_csv(ood)} if ood else {}),
    }
    keep_earlier(folder, [*rows, *result.get("ood", [])])
    files = [write_text(folder / name, text) for name, text in texts.items()]
    if runs:
        files += save_if_possible(
            folder, FIGURE, lambda: draw_accuracy_over_shots(runs, methods, datasets)
        )
    if ood:
        files += save_if_possible(folder, PLANE, lambda: draw_plane(ood, shown))
    return files


def all_tables(
    runs: Sequence[Run],
    methods: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    ood: Sequence[OODRun] = (),
) -> list[Table]:
    """Return the tables of `write_outputs`: of accuracy, then of out-of-distribution detection."""
    return [*accuracy_tables(runs, methods, datasets), *ood_tables(ood, _of_ood(methods, ood))]


def _of_ood(methods: Sequence[str] | None, ood: Sequence[OODRun]) -> list[str] | None:
    """Return those of some methods that have been tested for out-of-distribution detection."""
    return None if methods is None else [m for m in methods if m in {run.method for run in ood}]


def to_text(tables: Sequence[Table], title: str, notes: Sequence[str] = ()) -> dict[str, str]:
    """Return `table.md` and `table.tex` of some tables; in the latter the notes are comments."""
    comments = [f"% {line}" for note in notes for line in note.splitlines()]
    head = ["% needs \\usepackage{booktabs}", *comments]
    return {
        "table.md": _markdown(tables, title, notes),
        "table.tex": "\n".join([*head, *map(to_latex, tables)]),
    }


def remarks_on(extra: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the tables must know of the call that made them.

    Args:
        extra: `options` of the call as text, `failures` by run, titles of runs that are `missing`,
            those that failed among them; any of them may be missing.

    Example:
        >>> remarks_on({"options": ["data.views=1"], "missing": ["a", "b"], "failures": {"b": ""}})
        ['Options: `data.views=1`', 'Not there: 2 runs, 1 of them failed.']
    """
    remarks = []
    if options := extra.get("options"):
        remarks.append("Options: " + ", ".join(f"`{' '.join(one.split())}`" for one in options))
    if missing := extra.get("missing"):
        failed = len(extra.get("failures") or ())
        ending = f", {failed} of them failed" if failed else ""
        remarks.append(f"Not there: {count(len(missing), 'run')}{ending}.")
    return remarks


def _markdown(tables: Sequence[Table], title: str, notes: Sequence[str]) -> str:
    """Return all tables; notes that all of them have stand once, in front."""
    first = tables[0].notes if tables else ()
    shared = [note for note in first if all(note in table.notes for table in tables)]
    own = [t._replace(notes=tuple(n for n in t.notes if n not in shared)) for t in tables]
    heading = "\n\n".join([f"# {title}", *notes, *shared]) + "\n"
    return "\n".join([heading, *map(to_markdown, own)])


def entry_of(run: Run | OODRun, folder: Path) -> dict[str, Any]:
    """Return a row as JSON; paths below `folder`, or the current folder, are relative to it."""
    entry = run._asdict() | {"path": _relative(run.path, folder)}
    entry["settings"] = run.settings.digest if run.settings else ""
    del entry["origin"]  # the run's own result has it
    if isinstance(run, Run):
        entry["config_file"] = run.config_file and _relative(run.config_file, Path.cwd())
    return entry


def _relative(path: str, folder: Path) -> str:
    inner, outer = Path(path).resolve(), folder.resolve()
    return inner.relative_to(outer).as_posix() if inner.is_relative_to(outer) else path
