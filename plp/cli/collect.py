"""Gather finished runs from any tree of folders into tables and a figure."""

import argparse
import logging
from collections.abc import Sequence

from plp.engine.result import git_commit, versions
from plp.errors import ConfigError
from plp.results import in_order, write_outputs
from plp.results.collect import collect_runs

logger = logging.getLogger("plp")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, collect, show what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", help="folders with runs anywhere below them")
    parser.add_argument("--out", required=True, help="folder of the tables")
    parser.add_argument("--methods", nargs="+", help="which, in this order; default: all")
    parser.add_argument("--datasets", nargs="+", help="which, in this order; default: all")
    arguments = parser.parse_args(argv)
    runs, notes = collect_runs(arguments.folders)
    methods = _chosen("--methods", arguments.methods, in_order(run.method for run in runs))
    datasets = _chosen("--datasets", arguments.datasets, in_order(run.dataset for run in runs))
    runs = [run for run in runs if run.method in methods and run.dataset in datasets]
    extra = {"environment": {**versions(), "git_commit": git_commit()}}
    files = write_outputs(
        arguments.out, runs, methods=methods, datasets=datasets, extra=extra, notes=notes
    )
    for note in notes:
        logger.warning(note)
    logger.info("%d runs", len(runs))
    for file in files:
        logger.info("wrote %s", file)


def _chosen(flag: str, asked: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    if asked is None:
        return tuple(known)
    if unknown := [name for name in asked if name not in known]:
        raise ConfigError(f"{flag}: no runs of {', '.join(unknown)}. There are: {', '.join(known)}")
    return in_order(asked)
