"""Test a checkpoint on the test images of a data set."""

import argparse
from collections.abc import Sequence

from plp.cli.options import add_choices, choices_of
from plp.cli.tables import accuracy_lines
from plp.engine.evaluate import evaluate_checkpoint
from plp.engine.restore import CLASSES


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, test, show the result."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("config", help="config file the checkpoint was trained with")
    parser.add_argument("checkpoint", help="checkpoint file, or the work directory of its run")
    add_choices(parser)
    parser.add_argument(
        "--classes", choices=CLASSES, default="same",
        help="how the classes of the data set relate to those of the training: the same; all among "
        "them, in any order; or new ones, whose names the learner takes in place of its own",
    )  # fmt: skip
    parser.add_argument("--out", help="write the result as JSON to this file")
    arguments = parser.parse_args(argv)
    report, _ = evaluate_checkpoint(
        arguments.config,
        arguments.checkpoint,
        choices_of(arguments),
        device=arguments.device,
        out=arguments.out,
        classes=arguments.classes,
    )
    print("\n".join(accuracy_lines(report)))
