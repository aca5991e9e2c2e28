"""Finding the finished runs in trees of folders, and what in them must be told."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from plp.engine.data_options import WITHOUT_EFFECT
from plp.engine.work_dir import differences
from plp.errors import DataError
from plp.results.ood_run import OOD_RESULT, OODRun, read_ood_run
from plp.results.run import RESULT, Run, read_result, read_run

COMPARED = "compare.json"  # what a comparison calls the run beside it
SET_ASIDE = "set_aside"  # outdated runs of a comparison
# Entries that differ from run to run of one method on one data set.
_MAY_DIFFER = (
    *(f"data.{key}" for key in WITHOUT_EFFECT), "data.shots", "randomness.seed", "dataset.root",
    "work_dir", "save_seconds", "report",
)  # fmt: skip


class Collection(NamedTuple):
    """The runs of a tree.

    Attributes:
        runs: Rows, sorted by method, data set, shots, seed; none is there twice. The test of a
            checkpoint elsewhere has for its data set where it was trained, an arrow, and where it
            was tested.
        ood: Tests of out-of-distribution detection as rows, sorted likewise.
        notes: What a reader of their table must know: runs left out, settings that differ.
    """

    runs: list[Run]
    ood: list[OODRun]
    notes: tuple[str, ...]


def collect_runs(roots: Sequence[str | Path], score: str | None = None) -> Collection:
    """Read every `result.json` and `ood.json` below some folders.

    Of runs of one method, data set, shots and seed the newest counts, and likewise of tests.
    Damaged results, results of another version of the schema, older runs, and settings that differ
    between runs of one method on one data set are told in the notes.

    Args:
        roots: Folders; outdated runs that a comparison has set aside are passed over.
        score: Score of the rows of out-of-distribution detection, see `read_ood_run`.

    Raises:
        DataError: if there is no such folder, or no result in it.
    """
    rows: dict[tuple[Any, ...], tuple[float, Run | OODRun]] = {}
    notes: list[str] = []
    for path in _results(roots):
        try:
            run = _row(path, score)
        except DataError as error:
            notes.append(f"Left out: {error}.")
            continue
        key = (type(run).__name__, run.method, run.dataset, run.shots, run.seed)
        age = path.stat().st_mtime
        if key in rows:
            older = min(rows[key], (age, run), key=lambda row: (row[0], row[1].path))[1]
            notes.append(f"Left out: {older.path} is older than another run of the same.")
        if key not in rows or older is not run:
            rows[key] = age, run
    if not rows:
        where = ", ".join(map(str, roots))
        raise DataError(f"no finished run below {where}" + "".join(f". {n}" for n in notes))
    found = [run for _, (_, run) in sorted(rows.items(), key=lambda row: row[0])]
    runs = [run for run in found if isinstance(run, Run)]
    ood = [run for run in found if isinstance(run, OODRun)]
    return Collection(runs, ood, (*notes, *_differing(runs)))


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
    """Return what a comparison called method and data set; None for a run of none.

    `tools/ood.py` writes to a folder within that of the run.
    """
    for place in (folder, folder.parent):
        try:
            content = json.loads((place / COMPARED).read_text(encoding="utf-8"))
            return str(content["method"]), str(content["dataset"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None, None


def _differing(runs: Sequence[Run]) -> Iterator[str]:
    """Tell of settings that are not the same in all runs of a method on a data set.

    What a recipe of the number of shots sets may differ where that number does.
    """
    first: dict[tuple[str, str], tuple[int | None, Mapping[str, Any]]] = {}
    found: dict[tuple[str, str], set[str]] = {}
    for run in runs:
        key, result = (run.method, run.dataset), read_result(run.path)
        shots, other = first.setdefault(key, (run.shots, result))
        said = differences(other.get("config") or {}, result.get("config") or {})
        may = {*_MAY_DIFFER}
        if shots != run.shots:
            may |= {*(other.get("recipe") or {}), *(result.get("recipe") or {})}
        names = {text.partition(" was ")[0] for text in said}
        found.setdefault(key, set()).update(names - may)
    for (method, dataset), names in found.items():
        if names:
            yield f"Runs of {method} on {dataset} differ in {', '.join(sorted(names))}."
