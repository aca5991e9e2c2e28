"""Train a classifier from a few images per class."""

import argparse

from plp.cli.flags.parser import Flags
from plp.cli.options import add_choices, add_training, check_backbone
from plp.config.paths import check_config


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's flags."""
    flags = Flags(description=__doc__)
    flags.add_argument(
        "config", help="method, such as sotglp, or sotglp/vitb16_16shot; or a config file"
    )
    add_choices(flags)
    add_training(flags)
    flags.add_argument("--work-dir", help="where to write; default: a folder under work_dirs")
    flags.add_argument("--resume", action="store_true", help="continue an interrupted run")
    flags.add_argument(
        "--launcher", choices=("none", "pytorch", "slurm", "mpi"), default="none",
        help="what started several processes of this run; pytorch: torchrun --nproc-per-node N",
    )  # fmt: skip
    return flags


def check(arguments: argparse.Namespace) -> None:
    """Refuse a config that is not there, and an unknown backbone."""
    check_config(arguments.config)
    check_backbone(arguments)
