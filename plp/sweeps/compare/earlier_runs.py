"""Finished runs of earlier comparisons in the same folder: they stay in its tables."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from plp.checksums import is_intact
from plp.errors import DataError
from plp.results import Run, in_order, read_run
from plp.results.stated import RESULT
from plp.sweeps.compare.job import Job
from plp.sweeps.compare.key import key_of
from plp.sweeps.compare.plan import RUNS
from plp.sweeps.compare.state import KEY
from plp.wording import count

logger = logging.getLogger("plp")


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
    found: list[Run] = []
    damaged: list[Path] = []
    for folder in _folders(out / RUNS):
        if folder.resolve() in asked:
            continue
        try:
            run = _read(folder, code)
        except DataError:
            damaged.append(folder)
        else:
            found += [] if run is None else [run]
    if damaged:
        logger.warning(
            "%s of earlier calls left out: result.json or %s is damaged, such as in %s",
            count(len(damaged), "run"), KEY, damaged[0],
        )  # fmt: skip
    return found


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
    """Return the run of a folder; None if no comparison says what it is.

    Raises:
        DataError: if result or record are damaged.
    """
    try:
        content = json.loads((folder / KEY).read_text(encoding="utf-8"))
        if is_intact(content) is False:
            raise DataError(f"{folder / KEY} is damaged")
        parts: Mapping[str, Any] = content["parts"]
        if content["key"] != key_of(parts):
            return None
        names = str(content["method"]), str(content["dataset"])
        other = code is not None and parts.get("code") != code
        return read_run(folder, *names, key=content["key"], other_code=other)
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
