"""Classify images with a trained classifier: files, folders, patterns.

Unreadable images are passed over and named at the end, with exit status 2. Predictions go to
standard output or to --out, which is written whole or not at all; messages go to standard error.
"""

import argparse

from plp.cli.flags.checkpoint import add_classifier, check_checkpoint
from plp.cli.flags.known import ROWS
from plp.cli.flags.parser import Flags


def parser() -> argparse.ArgumentParser:
    """Return the parser of the tool's flags."""
    flags = Flags(description=__doc__)
    add_classifier(flags)
    flags.add_argument(
        "--calibrate", metavar="FOLDER",
        help="choose the threshold on these images of the classes, which nothing was trained on",
    )  # fmt: skip
    flags.add_argument(
        "--save", metavar="FILE", help="save the checkpoint with the threshold of --calibrate"
    )
    flags.add_argument("--format", choices=ROWS, default="table")
    flags.add_argument("--out", metavar="FILE", help="write here; default: standard output")
    flags.add_argument("--top-k", type=int, default=3, metavar="K", help="classes per image")
    flags.add_argument("--batch-size", type=int, default=64, metavar="B")
    flags.add_argument("--workers", type=int, default=2, metavar="W", help="threads that decode")
    return flags


check = check_checkpoint
