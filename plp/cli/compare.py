"""Compare methods: run what is missing, skip what is done, write tables and a figure.

A run counts as done if its config, its data, plp's code and torch are what they were. The same
command therefore goes on after an interruption, and runs again what a change concerns.
"""

import argparse
import logging
from collections.abc import Sequence

from plp.cli.options import add_settings
from plp.engine.compare import VARIANT, Comparison, Wanted, compare, is_done, survey

logger = logging.getLogger("plp")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, compare, show what was written.

    Raises:
        SystemExit: with status 1 if runs failed, 130 if interrupted.
    """
    arguments = _parser().parse_args(argv)
    wanted = Wanted(
        arguments.methods, arguments.datasets, arguments.shots, arguments.seeds,
        variant=arguments.variant, out=arguments.out, device=arguments.device, amp=arguments.amp,
        options=arguments.cfg_options,
    )  # fmt: skip
    if arguments.dry_run:
        _show_plan(wanted, arguments.reuse_other_code)
        return
    try:
        outcome = compare(
            wanted,
            jobs=arguments.jobs,
            reuse_other_code=arguments.reuse_other_code,
            table_only=arguments.table_only,
        )
    except KeyboardInterrupt:
        logger.error("interrupted; the same command goes on from here")
        raise SystemExit(130) from None
    _show(outcome)
    if outcome.failures:
        raise SystemExit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--methods", nargs="+", required=True, metavar="METHOD",
        help="folder under configs/, folder/variant, or a config file",
    )  # fmt: skip
    parser.add_argument(
        "--datasets", nargs="+", required=True, metavar="NAME[=ROOT]",
        help="registered data set, or a name of your own and its folder (one sub-folder a class, "
        "or a split file in CoOp's layout)",
    )  # fmt: skip
    parser.add_argument("--shots", nargs="+", type=int, required=True, metavar="K")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], metavar="S")
    parser.add_argument("--variant", default=VARIANT, help="config in a method's folder")
    parser.add_argument("--out", default="work_dirs/compare", help="folder of runs and tables")
    parser.add_argument(
        "--jobs", type=int, metavar="N",
        help="worker processes; default: one a CPU core, or one with a GPU. 0: none, for debugging",
    )  # fmt: skip
    add_settings(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would run")
    parser.add_argument("--table-only", action="store_true", help="write tables of what is done")
    parser.add_argument(
        "--reuse-other-code", action="store_true",
        help="let runs count that differ in nothing but plp's code; they are marked",
    )  # fmt: skip
    return parser


def _show_plan(wanted: Wanted, reuse_other_code: bool) -> None:
    found = survey(wanted)
    for job, state in found:
        done = is_done(state, reuse_other_code)
        word = "done" if done else state.kind.value if not state.reason else "run again"
        reason = f" ({state.reason})" if state.reason else ""
        logger.info("%-9s %s%s", word, job.title, reason)
    count = sum(is_done(state, reuse_other_code) for _, state in found)
    logger.info("%d runs: %d done, %d to run", len(found), count, len(found) - count)


def _show(outcome: Comparison) -> None:
    for title, error in outcome.failures.items():
        logger.error("failed: %s: %s", title, error)
    others = len(outcome.missing) - len(outcome.failures)
    if others:
        logger.warning("%d of the runs asked for have no result yet", others)
    for file in outcome.files:
        logger.info("wrote %s", file)
    if not outcome.files:
        logger.warning("no results, no tables")
