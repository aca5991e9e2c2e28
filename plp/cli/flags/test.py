"""Test a checkpoint on the test images of a dataset."""

import argparse

from plp.cli.flags.checkpoint import add_run, check_run
from plp.cli.flags.parser import Flags
from plp.cli.options import add_choices
from plp.config.choices import CLASSES


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's flags."""
    flags = Flags(description=__doc__, intermixed=True)
    add_run(flags)
    add_choices(flags)
    flags.add_argument(
        "--classes", choices=CLASSES, default="same",
        help="how the classes of the dataset relate to those of the training: the same; all among "
        "them, in any order; or new ones, whose names the learner takes in place of its own",
    )  # fmt: skip
    flags.add_argument("--out", help="write the result as JSON to this file")
    return flags


check = check_run
