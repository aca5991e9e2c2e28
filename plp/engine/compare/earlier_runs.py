"""Finished runs of earlier comparisons in the same folder: they stay in its tables."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from plp.engine.compare.job import Job
from plp.engine.compare.key import key_of
from plp.engine.compare.plan import RUNS
from plp.engine.compare.state import KEY
from plp.errors import DataError
from plp.results import Run, in_order, read_run
from plp.results.run import RESULT
from plp.wording import count


def earlier_runs(out: Path, jobs: Sequence[Job]) -> list[Run]:
    """Return the finished runs of a comparison's folder that none of some jobs is about.

    Whether their images are what they were is not looked at; of another state of plp's code they
    are marked.

    Args:
        out: Folder of the comparison.
        jobs: What was asked for this time.
    """
    asked = {job.folder.resolve() for job in jobs}
    code = jobs[0].parts.get("code") if jobs else None
    return [
        run
        for folder in _folders(out / RUNS)
        if folder.resolve() not in asked and (run := _read(folder, code)) is not None
    ]


def note_on_earlier(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return what a reader must know of runs that were not asked for this time."""
    if not runs:
        return ()
    methods = ", ".join(in_order(run.method for run in runs))
    return (
        f"{count(len(runs), 'run')} of earlier calls in this folder stand in the tables too "
        f"({methods}); whether their images have changed since has not been checked.",
    )


def _folders(root: Path) -> Iterator[Path]:
    yield from sorted(path.parent for path in root.rglob(RESULT))


def _read(folder: Path, code: str | None) -> Run | None:
    """Return the run of a folder; None if it is damaged, or no comparison says what it is."""
    try:
        content = json.loads((folder / KEY).read_text(encoding="utf-8"))
        parts: Mapping[str, Any] = content["parts"]
        if content["key"] != key_of(parts):
            return None
        names = str(content["method"]), str(content["dataset"])
        other = code is not None and parts.get("code") != code
        return read_run(folder, *names, key=content["key"], other_code=other)
    except (DataError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
