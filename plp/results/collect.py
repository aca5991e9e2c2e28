"""Finding the finished runs in trees of folders, and what in them must be told."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from plp.checksums import is_intact
from plp.errors import DataError
from plp.results.backbones import notes_on_backbones
from plp.results.earlier import SET_ASIDE
from plp.results.ood_run import OOD_RESULT, OODRun, read_ood_run
from plp.results.origins import notes_on_folders, notes_on_makers
from plp.results.repeated import notes_on_repeated
from plp.results.run import Run, read_run
from plp.results.stated import RESULT
from plp.results.unsolved import notes_on_transport
from plp.results.variants import tell_apart

COMPARED = "compare.json"  # what a comparison calls the run beside it


class Collection(NamedTuple):
    """The runs of a tree.

    Attributes:
        runs: Rows, sorted by method, dataset, shots, seed; none is there twice. The test of a
            checkpoint elsewhere has for its dataset where it was trained, an arrow, and where it
            was tested.
        ood: Tests of out-of-distribution detection as rows, sorted likewise.
        notes: What a reader of their table must know: runs left out, settings that differ.
    """

    runs: list[Run]
    ood: list[OODRun]
    notes: tuple[str, ...]


def collect_runs(roots: Sequence[str | Path], score: str | None = None) -> Collection:
    """Read every `result.json` and `ood.json` below some folders.

    A method that was run with different settings is there under a name for each of them: no mean is
    ever of runs that were set differently. Of runs of equal settings, dataset, shots and seed the
    newest counts, and likewise of tests. Damaged results, results of another version of the schema,
    older runs, settings, folders and versions that differ are told in the notes.

    Args:
        roots: Folders; outdated runs that a comparison has set aside are passed over.
        score: Score of the rows of out-of-distribution detection, see `read_ood_run`.

    Raises:
        DataError: if there is no such folder, or no result in it.
    """
    ages: dict[str, float] = {}
    rows: list[Run | OODRun] = []
    notes: list[str] = []
    for path in _results(roots):
        try:
            rows.append(_row(path, score))
        except DataError as error:
            notes.append(f"Left out: {error}.")
            continue
        ages[rows[-1].path] = path.stat().st_mtime
    if not rows:
        where = ", ".join(map(str, roots))
        raise DataError(f"no finished run below {where}" + "".join(f". {n}" for n in notes))
    apart = tell_apart(sorted(rows, key=_cell))
    found, older = _newest(apart.rows, ages)
    runs = [run for run in found if isinstance(run, Run)]
    ood = [run for run in found if isinstance(run, OODRun)]
    told = (
        *notes, *older, *apart.notes, *notes_on_folders(found), *notes_on_makers(found),
        *notes_on_transport(runs), *notes_on_repeated(runs), *notes_on_backbones(found),
    )  # fmt: skip
    return Collection(runs, ood, told)


def _cell(row: Run | OODRun) -> tuple[Any, ...]:
    return (type(row).__name__, row.method, row.dataset, row.shots, row.seed)


def _newest(
    rows: Sequence[Run | OODRun], ages: Mapping[str, float]
) -> tuple[list[Run | OODRun], list[str]]:
    """Return the newest row of each method, dataset, shots and seed, and a note on each other."""
    newest: dict[tuple[Any, ...], Run | OODRun] = {}
    notes = []
    for row in rows:
        key = _cell(row)
        other = newest.setdefault(key, row)
        if other is row:
            continue
        older, newest[key] = sorted((other, row), key=lambda one: (ages[one.path], one.path))
        notes.append(
            f"Left out: {older.path} is older than another run of the same, {newest[key].path}"
            f"{_other_accuracy(older, newest[key])}."
        )
    return [row for _, row in sorted(newest.items(), key=lambda entry: entry[0])], notes


def _other_accuracy(one: Run | OODRun, other: Run | OODRun) -> str:
    first, second = (r.accuracy if isinstance(r, OODRun) else r.accuracy["fused"]
                     for r in (one, other))  # fmt: skip
    return "" if first == second else f" (accuracy {first:.2f} and {second:.2f})"


def _row(path: Path, score: str | None) -> Run | OODRun:
    method, dataset = _names(path.parent)
    if path.name == OOD_RESULT:
        return read_ood_run(path, method, dataset, score)
    run = read_run(path, method, dataset)
    if run.kind == "run" or run.trained_on in (None, run.dataset):
        return run
    return run._replace(dataset=f"{run.trained_on} → {run.dataset}")


def _results(roots: Sequence[str | Path]) -> Iterator[Path]:
    seen = set()
    for root in map(Path, roots):
        if not root.is_dir():
            raise DataError(f"no such folder: {str(root)!r}. Expected a folder of runs")
        for folder, inner, files in os.walk(root):
            inner[:] = sorted(name for name in inner if name != SET_ASIDE)
            for name in (RESULT, OOD_RESULT):
                path = Path(folder) / name
                if name in files and path.resolve() not in seen:
                    seen.add(path.resolve())
                    yield path


def _names(folder: Path) -> tuple[str | None, str | None]:
    """Return what a comparison called method and dataset; None for a run of none.

    `tools/ood.py` writes to a folder within that of the run.

    Raises:
        DataError: if what a comparison has written is damaged.
    """
    for place in (folder, folder.parent):
        path = place / COMPARED
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if is_intact(content) is not False:
                return str(content["method"]), str(content["dataset"])
        except OSError:
            continue
        except (ValueError, RecursionError, KeyError, TypeError):
            pass
        raise DataError(f"{path}, which names method and dataset of the run, is damaged")
    return None, None
