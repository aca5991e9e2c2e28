"""Run a protocol: train what is missing, test it elsewhere, write tables: `plp protocol`."""

import argparse
import logging
from collections.abc import Sequence

from plp.cli.compare import compare_as_asked, show_end, show_jobs, told_interrupt, wanted_of
from plp.cli.flags.protocol import FEW_SHOT, parser
from plp.cli.ood import by_name
from plp.config.command import tool_command
from plp.errors import ConfigError
from plp.ood.file import expand_ood
from plp.sweeps.compare import state_of
from plp.sweeps.compare.sources import expand
from plp.sweeps.protocols import Asked, plan_protocol, refuse_bound_methods, run_protocol

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
                "tests on the datasets that it trains on"
            )
