"""Run a protocol: train what is missing, test it elsewhere, write tables.

few-shot        accuracy over numbers of shots, data sets and their average
base-to-new     train on the first half of the classes, test both halves, each among its own
cross-dataset   train on one data set, test on others by their class names and templates
domain          train on one data set, test on shifted copies of it (the same classes, or some)
ood             train, then tell test images from those of other sets

Runs are those of tools/compare.py and count as done by the same rules: the same command goes on
after an interruption.
"""

import argparse
import logging
from collections.abc import Sequence

from plp.cli.compare import (
    add_comparison,
    compare_as_asked,
    show_end,
    show_jobs,
    told_interrupt,
    wanted_of,
)
from plp.cli.ood import by_name
from plp.engine.compare import state_of
from plp.engine.compare.sources import expand
from plp.engine.ood_file import expand_ood
from plp.engine.protocols import (
    PROTOCOLS,
    Asked,
    plan_protocol,
    refuse_bound_methods,
    run_protocol,
)
from plp.errors import ConfigError
from plp.report.command import tool_command

FEW_SHOT = "few-shot"
SHOTS = {FEW_SHOT: [1, 2, 4, 8, 16]}

logger = logging.getLogger("plp")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, run, show what was written.

    Raises:
        SystemExit: with status 1 if runs failed, 130 if interrupted.
    """
    arguments = parser().parse_args(argv)
    command = tool_command("protocol", argv)
    if arguments.shots is None:
        arguments.shots = SHOTS.get(arguments.protocol, [16])
    if arguments.protocol == FEW_SHOT:
        _refuse_foreign_flags(arguments)
        compare_as_asked(arguments, command)
        return
    listed = expand_ood(arguments.ood, arguments.near, arguments.data_root)
    asked = Asked(
        arguments.protocol, wanted_of(arguments), expand(arguments.targets, arguments.data_root),
        by_name(listed.sets, arguments.data_root), listed.near,
    )  # fmt: skip
    if arguments.dry_run:
        plan = plan_protocol(asked)
        refuse_bound_methods(plan)
        jobs = [(job, state_of(job)) for job in (*plan.trainings.jobs, *plan.tests)]
        show_jobs(jobs, arguments.reuse_other_code)
        return
    with told_interrupt():
        finished = run_protocol(
            asked,
            jobs=arguments.jobs,
            reuse_other_code=arguments.reuse_other_code,
            table_only=arguments.table_only,
            published=bool(arguments.published),
            command=command,
        )
    show_end(finished.failures, finished.missing, finished.files)


def _refuse_foreign_flags(arguments: argparse.Namespace) -> None:
    for flag in ("targets", "ood", "near"):
        if getattr(arguments, flag):
            raise ConfigError(
                f"{FEW_SHOT} takes no --{flag}, got {', '.join(getattr(arguments, flag))}: it "
                "tests on the data sets that it trains on"
            )


def parser() -> argparse.ArgumentParser:
    """Return the parser of the tool's flags."""
    flags = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    flags.add_argument("protocol", choices=(FEW_SHOT, *PROTOCOLS))
    add_comparison(flags, out="work_dirs/protocol", default_shots=True)
    flags.add_argument(
        "--targets", nargs="+", default=(), metavar="NAME[=ROOT]",
        help="cross-dataset, domain: data sets to test on, as --datasets",
    )  # fmt: skip
    flags.add_argument(
        "--ood", nargs="+", default=(), metavar="NAME[=ROOT]|FILE",
        help="ood: out-of-distribution sets, as tools/ood.py takes them",
    )  # fmt: skip
    flags.add_argument(
        "--near", nargs="+", default=(), metavar="NAME", help="sets that are near-OOD; others: far"
    )
    return flags
