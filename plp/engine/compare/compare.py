"""Running what is missing of a comparison and writing its tables."""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from plp.engine.compare.job import Job
from plp.engine.compare.key import key_of
from plp.engine.compare.plan import Plan, Wanted, make_plan
from plp.engine.compare.pool import run_here, run_in_processes
from plp.engine.compare.progress import Durations, clock
from plp.engine.compare.state import Kind, State, read_seconds, state_of
from plp.engine.compare.worker import Outcome
from plp.engine.result import git_commit, versions
from plp.errors import ConfigError
from plp.results import Run, read_run, write_outputs

logger = logging.getLogger("plp")


class Comparison(NamedTuple):
    """What a comparison left.

    Attributes:
        runs: Finished runs, as rows.
        failures: What went wrong, by the title of the job.
        missing: Titles of the jobs without a result, failed ones among them.
        files: Tables and figures.
    """

    runs: list[Run]
    failures: dict[str, str]
    missing: list[str]
    files: list[Path]


def compare(
    wanted: Wanted,
    *,
    jobs: int | None = None,
    reuse_other_code: bool = False,
    table_only: bool = False,
) -> Comparison:
    """Run the jobs that have no valid result yet, then write tables and figure.

    Args:
        wanted: What to compare.
        jobs: Worker processes; 0 runs all in this one; None: a process for each CPU core, one with
            a GPU.
        reuse_other_code: Let a run count that differs in nothing but plp's own code; it is marked.
        table_only: Run nothing.

    Raises:
        PlpError: for anything a user can mend; the failure of a single job is recorded instead.
    """
    workers = check_workers(jobs)
    plan = make_plan(wanted)
    failures: dict[str, str] = {}
    if not table_only:
        plan.out.mkdir(parents=True, exist_ok=True)
    try:
        if not table_only:
            with _only_one(plan.out):
                failures = _run_missing(plan, workers, reuse_other_code)
    finally:
        outcome = _write(plan, failures, reuse_other_code)
    return outcome


def survey(wanted: Wanted) -> list[tuple[Job, State]]:
    """Return the jobs of a comparison and what stands in their folders; run nothing."""
    return [(job, state_of(job)) for job in make_plan(wanted).jobs]


def check_workers(jobs: int | None) -> int | None:
    """Return a number of worker processes that can be.

    Raises:
        ConfigError: for anything but a whole number from 0 up.
    """
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 0):
        raise ConfigError(f"--jobs: expected a whole number from 0 up, got {jobs!r}")
    return jobs


def is_done(state: State, reuse_other_code: bool) -> bool:
    """Whether a job in this state needs no run."""
    return state.kind is Kind.DONE or (reuse_other_code and state.kind is Kind.OTHER_CODE)


def _run_missing(plan: Plan, workers: int | None, reuse_other_code: bool) -> dict[str, str]:
    """Run what is missing, tell how it goes; return what went wrong by title."""
    durations, todo = Durations(), []
    for job in plan.jobs:
        if is_done(state_of(job), reuse_other_code):
            if seconds := read_seconds(job.folder):
                durations.add(job, seconds)
        else:
            todo.append(job)
    cores = _cores()
    if workers is None:
        workers = 1 if not plan.device.startswith("cpu") else cores
    workers = min(workers, len(todo))
    threads = max(1, cores // max(workers, 1))
    logger.info(
        "%d runs: %d done already, %d to run%s", len(plan.jobs), len(plan.jobs) - len(todo),
        len(todo), f" (processes: {workers}, threads of each: {threads})" if workers else "",
    )  # fmt: skip
    order = durations.order(todo)
    outcomes = run_in_processes(order, workers, threads) if workers else run_here(order)
    with contextlib.closing(outcomes):  # type: ignore[type-var]
        return _follow(outcomes, order, durations, workers)


def _follow(
    outcomes: Iterator[Outcome], jobs: Sequence[Job], durations: Durations, workers: int
) -> dict[str, str]:
    """Tell how each job ended; return what went wrong by title."""
    failures, left = {}, list(jobs)
    for number, outcome in enumerate(outcomes, start=1):
        job, head = outcome.job, f"[{number}/{len(jobs)}] {outcome.job.title}"
        left.remove(job)
        if outcome.error is not None:
            failures[job.title] = outcome.error
            logger.error("%s: failed: %s", head, outcome.error)
            continue
        durations.add(job, outcome.seconds)
        rest = durations.left(left, workers)
        ending = f"; about {clock(rest)} left" if left and rest is not None else ""
        accuracy = read_run(job.folder).accuracy["fused"]
        logger.info("%s: %.1f %% (%s)%s", head, accuracy, clock(outcome.seconds), ending)
    return failures


def _write(plan: Plan, failures: dict[str, str], reuse_other_code: bool) -> Comparison:
    """Write tables and figure of the runs that count."""
    runs, missing = [], []
    for job in plan.jobs:
        state = state_of(job)
        if is_done(state, reuse_other_code):
            other = state.kind is Kind.OTHER_CODE
            key = key_of(state.parts)
            runs.append(read_run(job.folder, job.method, job.dataset, key=key, other_code=other))
        else:
            missing.append(job.title)
    files = []
    if runs or failures:
        extra = {
            "environment": {**versions(), "git_commit": git_commit(), "device": plan.device},
            "code": plan.jobs[0].parts["code"],
            "failures": failures,
            "missing": missing,
        }
        files = write_outputs(
            plan.out, runs, methods=plan.methods, datasets=plan.datasets, extra=extra
        )
    return Comparison(runs, failures, missing, files)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def _only_one(out: Path) -> Iterator[None]:
    """Keep a second comparison out of a folder, as long as this process lives."""
    try:
        import fcntl
    except ImportError:  # no POSIX system
        yield
        return
    with open(out / ".lock", "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"another comparison is running in {str(out)!r}: wait for it, or give another --out"
            ) from error
        yield
