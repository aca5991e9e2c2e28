"""Compare methods: run what is missing, write tables and a figure: `plp compare`."""

import argparse
import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from plp.cli.flags.compare import parser
from plp.cli.options import choices_of
from plp.config.command import tool_command
from plp.sweeps.compare import INTERRUPTED, State, Wanted, compare, is_done, survey
from plp.sweeps.compare.job import Job
from plp.sweeps.compare.sources import expand
from plp.wording import count

logger = logging.getLogger("plp")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, compare, show what was written.

    Raises:
        SystemExit: with status 1 if runs failed, 130 if interrupted.
    """
    compare_as_asked(parser().parse_args(argv), tool_command("compare", argv))


def compare_as_asked(arguments: argparse.Namespace, command: str) -> None:
    """Do what the flags of `add_comparison` say; the report shows the command."""
    wanted = wanted_of(arguments)
    if arguments.dry_run:
        show_jobs(survey(wanted), arguments.reuse_other_code)
        return
    with told_interrupt():
        outcome = compare(
            wanted,
            jobs=arguments.jobs,
            reuse_other_code=arguments.reuse_other_code,
            table_only=arguments.table_only,
            published=bool(arguments.published),
            command=command,
        )
    show_end(outcome.failures, outcome.missing, outcome.files)


@contextlib.contextmanager
def told_interrupt() -> Iterator[None]:
    """Say at Ctrl-C that the same command goes on, in the log, and leave with status 130."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        logger.error("%s", str(interrupt) or INTERRUPTED)
        raise SystemExit(130) from None


def wanted_of(arguments: argparse.Namespace) -> Wanted:
    """Collect the flags of `add_comparison`."""
    return Wanted(
        arguments.methods, expand(arguments.datasets, arguments.data_root), arguments.shots,
        arguments.seeds, variant=arguments.variant, out=arguments.out, device=arguments.device,
        amp=arguments.amp, options=choices_of(arguments).entries() or None,
        read_all_images=arguments.read_all_images, backbone=arguments.backbone,
    )  # fmt: skip


def show_jobs(found: Sequence[tuple[Job, State]], reuse_other_code: bool) -> None:
    """Show jobs and what is to be done about each."""
    for job, state in found:
        done = is_done(state, reuse_other_code)
        word = "done" if done else state.kind.value if not state.reason else "run again"
        reason = f" ({state.reason})" if state.reason else ""
        logger.info("%-9s %s%s", word, job.title, reason)
    ready = sum(is_done(state, reuse_other_code) for _, state in found)
    runs = count(len(found), "run")
    logger.info("%s: %d done, %d to run", runs, ready, len(found) - ready)


def show_end(failures: Mapping[str, str], missing: Sequence[str], files: Iterable[Path]) -> None:
    """Show what went wrong and what was written.

    Raises:
        SystemExit: with status 1 if something went wrong.
    """
    for title, error in failures.items():
        logger.error("failed: %s: %s", title, error)
    others = len(missing) - len(failures)
    if others:
        logger.warning("%d of the runs asked for have no result yet", others)
    files = list(files)
    for file in files:
        logger.info("wrote %s", file)
    if not files:
        logger.warning("no results, no tables")
    if failures:
        raise SystemExit(1)
