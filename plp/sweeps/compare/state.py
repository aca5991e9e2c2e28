"""What the folder of a run holds: a result that counts, a run cut off, or something else."""

import json
import shutil
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from plp.checksums import is_intact, sealed
from plp.errors import DataError
from plp.files import write_text
from plp.hooks.save import STATE
from plp.results.collect import COMPARED as KEY
from plp.results.earlier import SET_ASIDE
from plp.results.run import read_result
from plp.sweeps.compare.job import Job
from plp.sweeps.compare.key import key_of


class Kind(Enum):
    """What is to be done about a job."""

    DONE = "done"
    OTHER_CODE = "done by other code"
    INTERRUPTED = "resume"
    MISSING = "run"
    OUTDATED = "run again"


class State(NamedTuple):
    """What a job's folder holds.

    Attributes:
        kind: What is to be done.
        reason: Why an outdated run is one.
        parts: What the run there depends on, if it says so.
    """

    kind: Kind
    reason: str = ""
    parts: Mapping[str, str] = {}


def state_of(job: Job) -> State:
    """Look at the folder of a job. Only a whole result with the right key is done."""
    has_result = job.result.exists()
    if not has_result and not (job.folder / STATE).exists():
        return State(Kind.MISSING)
    parts = _read_parts(job.folder / KEY)
    if parts is None:
        return State(Kind.OUTDATED, f"no {KEY} says what it was made from")
    changed = [name for name in job.parts if parts.get(name) != job.parts[name]]
    if not has_result:
        if changed:
            return State(Kind.OUTDATED, f"cut off, and changed since: {', '.join(changed)}", parts)
        return State(Kind.INTERRUPTED, parts=parts)
    try:
        read_result(job.result)
    except DataError as error:
        return State(Kind.OUTDATED, str(error), parts)
    if not changed:
        return State(Kind.DONE, parts=parts)
    if changed == ["code"]:
        return State(Kind.OTHER_CODE, "changed since: code", parts)
    return State(Kind.OUTDATED, f"changed since: {', '.join(changed)}", parts)


def is_done(state: State, reuse_other_code: bool) -> bool:
    """Whether a job in this state needs no run."""
    return state.kind is Kind.DONE or (reuse_other_code and state.kind is Kind.OTHER_CODE)


def begin(job: Job, resume: bool) -> None:
    """Make the folder of a run ready: what is not resumed is set aside, the key is written down.

    The key stands there before any result can, and only beside a result that has it.
    """
    if not resume and any(path.exists() for path in (job.result, job.folder / STATE)):
        set_aside(job)
    job.folder.mkdir(parents=True, exist_ok=True)
    _write_parts(job, None)


def finish(job: Job, seconds: float) -> None:
    """Write down how long a job took, from its first to its last line."""
    _write_parts(job, round(seconds, 2))


def set_aside(job: Job) -> Path:
    """Move the folder of a job out of the way; return where it is now."""
    target = base = job.out / SET_ASIDE / job.path
    number = 1
    while target.exists():
        number += 1
        target = base.with_name(f"{base.name}_{number}")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(job.folder, target)
    return target


def read_seconds(folder: Path) -> float | None:
    """Return how long the job of a folder took, if that is known."""
    seconds = _read(folder / KEY).get("seconds")
    return float(seconds) if isinstance(seconds, int | float) else None


def _write_parts(job: Job, seconds: float | None) -> None:
    content = {
        "key": key_of(job.parts),
        "parts": dict(job.parts),
        "method": job.method,
        "dataset": job.dataset,
        "seconds": seconds,
    }
    text = json.dumps(sealed(content), indent=1, ensure_ascii=False)
    write_text(job.folder / KEY, text + "\n")


def _read_parts(path: Path) -> dict[str, str] | None:
    content = _read(path)
    parts = content.get("parts")
    if not isinstance(parts, dict) or content.get("key") != key_of(parts):
        return None
    return parts


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) and is_intact(content) is not False else {}
