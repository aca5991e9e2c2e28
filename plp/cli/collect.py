"""Gather finished runs and tests into tables and figures: `plp collect`."""

import logging
from collections.abc import Sequence

from plp.cli.flags.collect import parser
from plp.config.command import tool_command
from plp.engine.places import check_folder_target
from plp.errors import ConfigError
from plp.package import git_commit, versions
from plp.report.compare_report import write_comparison
from plp.results import Run, in_order
from plp.results.collect import collect_runs
from plp.results.ood_run import OODRun
from plp.results.options import notes_on_options
from plp.results.published import BACKBONE, published_accuracy, published_protocol
from plp.results.variants import is_of_method
from plp.wording import count

logger = logging.getLogger("plp")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, collect, show what was written."""
    arguments = parser().parse_args(argv)
    out = check_folder_target(arguments.out, "--out")
    found = collect_runs(arguments.folders, arguments.score)
    if arguments.score is not None and not found.ood:
        raise ConfigError(
            f"--score {arguments.score}: no test of out-of-distribution detection (ood.json) below "
            f"{', '.join(arguments.folders)} has it. Leave it out, or test with tools/ood.py"
        )
    rows: list[Run | OODRun] = [*found.runs, *found.ood]
    known = in_order(row.method for row in rows)
    methods = _chosen("--methods", _by_name(arguments.methods, known), known)
    datasets = _chosen("--datasets", arguments.datasets, in_order(row.dataset for row in rows))
    runs = [run for run in found.runs if run.method in methods and run.dataset in datasets]
    ood = [run for run in found.ood if run.method in methods and run.dataset in datasets]
    asked = [name for name in datasets if any(run.dataset == name for run in runs)]
    published = arguments.published
    if published is None:
        published = any(run.backbone == BACKBONE for run in runs)
    more = [*published_accuracy(asked), *(published_protocol("ood") if ood else ())]
    files = write_comparison(
        out, runs, ood=ood, methods=methods, datasets=asked,
        notes=(*found.notes, *notes_on_options(runs)),
        extra={
            "environment": {**versions(), "git_commit": git_commit()},
            "command": tool_command("collect", argv),
        },
        more_tables=more if published else (),
    )  # fmt: skip
    for note in found.notes:
        logger.warning(note)
    tests = f"{count(len(ood), 'test')} of out-of-distribution detection"
    logger.info("%s, %s", count(len(runs), "run"), tests)
    for file in files:
        logger.info("wrote %s", file)


def _by_name(asked: Sequence[str] | None, known: Sequence[str]) -> list[str] | None:
    """Replace a method that is there with several settings by the names of all of them."""
    if asked is None:
        return None
    named = {one: [name for name in known if is_of_method(name, one)] for one in asked}
    return [name for one in asked for name in named[one] or [one]]


def _chosen(flag: str, asked: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    if asked is None:
        return tuple(known)
    if unknown := [name for name in asked if name not in known]:
        raise ConfigError(f"{flag}: no runs of {', '.join(unknown)}. There are: {', '.join(known)}")
    return in_order(asked)
