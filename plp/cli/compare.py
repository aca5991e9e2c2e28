"""Compare methods: run what is missing, skip what is done, write tables and a figure.

A run counts as done if its config, its data, plp's code, torch and the other packages that decide
numbers are what they were. The same
command therefore goes on after an interruption, and runs again what a change concerns.
"""

import argparse
import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from plp.cli.options import add_settings
from plp.engine.compare import INTERRUPTED, VARIANT, State, Wanted, compare, is_done, survey
from plp.engine.compare.job import Job
from plp.engine.compare.sources import GROUPS, expand
from plp.report.command import tool_command
from plp.wording import count

logger = logging.getLogger("plp")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, compare, show what was written.

    Raises:
        SystemExit: with status 1 if runs failed, 130 if interrupted.
    """
    flags = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add_comparison(flags, out="work_dirs/compare")
    compare_as_asked(flags.parse_args(argv), tool_command("compare", argv))


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
        amp=arguments.amp, options=arguments.cfg_options,
    )  # fmt: skip


def add_comparison(parser: argparse.ArgumentParser, out: str, default_shots: bool = False) -> None:
    """Add the flags of a comparison.

    Args:
        parser: Gets them.
        out: Default of `--out`.
        default_shots: Whether `--shots` may be left out.
    """
    parser.add_argument(
        "--methods", nargs="+", required=True, metavar="METHOD",
        help="folder under configs/, folder/variant, or a config file",
    )  # fmt: skip
    parser.add_argument(
        "--datasets", nargs="+", required=True, metavar="NAME[=ROOT]",
        help="registered data set, or a name of your own and its folder (one sub-folder a class, "
        f"or a split file in CoOp's layout); or all of a group: {', '.join(GROUPS)}",
    )  # fmt: skip
    parser.add_argument("--data-root", metavar="ROOT", help="of all data sets given without one")
    parser.add_argument("--shots", nargs="+", type=int, required=not default_shots, metavar="K")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], metavar="S")
    parser.add_argument("--variant", default=VARIANT, help="config in a method's folder")
    parser.add_argument("--out", default=out, help="folder of runs and tables")
    parser.add_argument(
        "--jobs", type=int, metavar="N",
        help="worker processes; default: one a CPU core, or one with a GPU. 0: none, for debugging",
    )  # fmt: skip
    add_settings(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would run")
    parser.add_argument("--table-only", action="store_true", help="write tables of what is done")
    parser.add_argument(
        "--published", action="store_true",
        help="put tables of published numbers (CLIP ViT-B/16) behind ours",
    )  # fmt: skip
    parser.add_argument(
        "--reuse-other-code", action="store_true",
        help="let runs count that differ in nothing but plp's code; they are marked",
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
