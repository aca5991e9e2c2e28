"""Test a checkpoint on the test images of a dataset: `plp test`."""

import os
from collections.abc import Sequence

from plp.checkpoints.run_places import config_and_run
from plp.cli.flags.test import parser
from plp.cli.options import choices_of
from plp.cli.tables import accuracy_lines
from plp.engine.evaluate import evaluate_checkpoint
from plp.inference.recorded import recorded_config


def main(argv: Sequence[str] | None = None) -> None:
    """Read flags, test, show the result."""
    arguments = parser().parse_args(argv)
    named, run = config_and_run(arguments.run)
    choices = choices_of(arguments)
    config = named or recorded_config(
        run,
        choices,
        trust_code=arguments.trust_code,
        trust_header=arguments.trust_header,
        classes=arguments.classes,
    )
    report, _ = evaluate_checkpoint(
        config,
        run,
        choices,
        device=arguments.device,
        out=arguments.out and os.path.realpath(arguments.out),  # a link is the user's own word
        classes=arguments.classes,
    )
    print("\n".join(accuracy_lines(report)))
