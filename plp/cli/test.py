"""Test a checkpoint on the test images of a data set: `plp test`."""

import os
from collections.abc import Sequence

from plp.cli.flags.test import parser
from plp.cli.options import choices_of
from plp.cli.tables import accuracy_lines
from plp.engine.evaluate import evaluate_checkpoint


def main(argv: Sequence[str] | None = None) -> None:
    """Read flags, test, show the result."""
    arguments = parser().parse_args(argv)
    report, _ = evaluate_checkpoint(
        arguments.config,
        arguments.checkpoint,
        choices_of(arguments),
        device=arguments.device,
        out=arguments.out and os.path.realpath(arguments.out),  # a link is the user's own word
        classes=arguments.classes,
    )
    print("\n".join(accuracy_lines(report)))
