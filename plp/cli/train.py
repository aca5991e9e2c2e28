"""Train a classifier from a few images a class."""

import argparse
from collections.abc import Sequence

from mmengine.dist import is_main_process

from plp.cli.options import add_choices, choices_of
from plp.cli.tables import accuracy_lines
from plp.engine.processes import leave
from plp.engine.train import train


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, train, show the result."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("config", help="config file, such as configs/sotglp/lite_16shot.py")
    add_choices(parser)
    parser.add_argument("--work-dir", help="where to write; default: a folder under work_dirs")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument(
        "--launcher", choices=("none", "pytorch", "slurm", "mpi"), default="none",
        help="what started several processes of this run; pytorch: torchrun --nproc-per-node N",
    )  # fmt: skip
    arguments = parser.parse_args(argv)
    outcome = train(
        arguments.config,
        choices_of(arguments),
        work_dir=arguments.work_dir,
        resume=arguments.resume,
        device=arguments.device,
        launcher=arguments.launcher,
    )
    if is_main_process():
        print("\n".join(accuracy_lines(outcome.report)))
        print(f"checkpoint, result and curves: {outcome.work_dir}")
    leave()
