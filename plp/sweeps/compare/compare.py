"""Running what is missing of a comparison and writing its tables."""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from plp.checks import check_integer
from plp.engine.one_writer import only_writer
from plp.errors import Interrupted
from plp.results import read_run
from plp.results.ood_run import ALL_SETS, read_ood_run
from plp.sweeps.compare.job import Job
from plp.sweeps.compare.outdated import notes_on_outdated
from plp.sweeps.compare.plan import Plan, Wanted, make_plan
from plp.sweeps.compare.pool import run_here, run_in_processes
from plp.sweeps.compare.progress import Durations, clock
from plp.sweeps.compare.state import State, is_done, read_seconds, state_of
from plp.sweeps.compare.tables import Comparison, write_tables
from plp.sweeps.compare.worker import Outcome
from plp.wording import count

INTERRUPTED = "interrupted; the same command goes on from here"

logger = logging.getLogger("plp")


def compare(
    wanted: Wanted,
    *,
    jobs: int | None = None,
    reuse_other_code: bool = False,
    table_only: bool = False,
    published: bool = False,
    command: str | None = None,
) -> Comparison:
    """Run the jobs that have no valid result yet, then write tables and figure.

    Args:
        wanted: What to compare.
        jobs: Worker processes; 0 runs all in this one; None: a process for each CPU core, one with
            a GPU.
        reuse_other_code: Let a run count that differs in nothing but plp's own code; it is marked.
        table_only: Run nothing.
        published: Put a table of published numbers after ours.
        command: The command line that asked for it, for the report.

    Raises:
        PlpError: for anything a user can mend; the failure of a single job is recorded instead.
    """
    workers = check_workers(jobs)
    plan = make_plan(wanted)
    failures: dict[str, str] = {}
    if table_only:
        return write_tables(plan, failures, reuse_other_code, published, command)
    plan.out.mkdir(parents=True, exist_ok=True)
    tell_notes(plan)
    with only_one(plan.out):
        try:
            run_missing(plan.jobs, plan.device, workers, failures, reuse_other_code)
        finally:
            outcome = write_tables(plan, failures, reuse_other_code, published, command)
    return outcome


def tell_notes(plan: Plan) -> None:
    """Tell what a reader of the tables must know before hours of runs, too."""
    for note in (*plan.listings, *plan.notes):
        logger.warning("%s", note)


def survey(wanted: Wanted) -> list[tuple[Job, State]]:
    """Return the jobs of a comparison and what stands in their folders; run nothing."""
    return [(job, state_of(job)) for job in make_plan(wanted).jobs]


def check_workers(jobs: int | None) -> int | None:
    """Return a number of worker processes that can be.

    Raises:
        ConfigError: for anything but an integer >= 0.
    """
    if jobs is not None:
        check_integer("--jobs", jobs, least=0)
    return jobs


def run_missing(
    jobs: Sequence[Job],
    device: str,
    workers: int | None,
    failures: dict[str, str],
    reuse_other_code: bool = False,
) -> None:
    """Run those of some jobs that are not done, and tell how it goes.

    Args:
        jobs: Jobs of one folder.
        device: Where they run.
        workers: Worker processes, see `compare`.
        failures: Gets what goes wrong by title, at once, so that an interrupt loses none of it.
        reuse_other_code: See `compare`.

    Raises:
        Interrupted: at Ctrl-C, with how many of the jobs are done.
    """
    durations, states = Durations(), [(job, state_of(job)) for job in jobs]
    for job, state in states:
        if is_done(state, reuse_other_code) and (seconds := read_seconds(job.folder)):
            durations.add(job, seconds)
    waiting = [(job, state) for job, state in states if not is_done(state, reuse_other_code)]
    todo = [job for job, _ in waiting]
    for note in notes_on_outdated(waiting):
        logger.warning("%s", note)
    cores = _cores()
    if workers is None:
        workers = 1 if not device.startswith("cpu") else cores
    workers = min(workers, len(todo))
    threads = _threads(cores, workers)
    order = durations.order(todo)
    try:
        logger.info(
            "%s: %d done already, %d to run%s", count(len(jobs), "run"), len(jobs) - len(todo),
            len(todo), f" (processes: {workers}, threads of each: {threads})" if workers else "",
        )  # fmt: skip
        outcomes = run_in_processes(order, workers, threads) if workers else run_here(order)
        with contextlib.closing(outcomes):  # type: ignore[type-var]
            _follow(outcomes, order, durations, workers, failures)
    except KeyboardInterrupt as error:
        done = sum(is_done(state_of(job), reuse_other_code) for job in jobs)
        raise Interrupted(f"{INTERRUPTED}: {done} of {count(len(jobs), 'run')} done") from error


def _follow(
    outcomes: Iterator[Outcome],
    jobs: Sequence[Job],
    durations: Durations,
    workers: int,
    failures: dict[str, str],
) -> None:
    """Tell how each job ended; add what went wrong to the failures, by title."""
    left = list(jobs)
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
        logger.info("%s: %s (%s)%s", head, _found(job), clock(outcome.seconds), ending)


def _found(job: Job) -> str:
    """Return what a job found, in a few words."""
    if job.task and job.task.ood:
        found = read_ood_run(job.result)
        return f"{found.score} AUROC {found.averages[ALL_SETS]['auroc']:.1f} %"
    return f"{read_run(job.result).accuracy['fused']:.1f} %"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _threads(cores: int, workers: int) -> int:
    """Return the threads of each worker: `OMP_NUM_THREADS` where it is set, as torch has it."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else max(1, cores // max(workers, 1))


@contextlib.contextmanager
def only_one(out: Path) -> Iterator[None]:
    """Keep a second comparison out of a folder until this ends.

    Raises:
        ConfigError: if one is running there.
    """
    with only_writer(out, "comparison", "--out"):
        yield
