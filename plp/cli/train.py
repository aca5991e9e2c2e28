"""Train a classifier from a few images per class: `plp train`."""

from collections.abc import Sequence

from mmengine.dist import is_main_process

from plp.cli.flags.train import parser
from plp.cli.options import choices_of
from plp.cli.tables import accuracy_lines
from plp.engine.processes import leave
from plp.report.finished_run import train_and_report


def main(argv: Sequence[str] | None = None) -> None:
    """Read flags, train, show the result."""
    arguments = parser().parse_args(argv)
    outcome = train_and_report(
        arguments.config,
        choices_of(arguments),
        work_dir=arguments.work_dir,
        resume=arguments.resume,
        device=arguments.device,
        launcher=arguments.launcher,
        tested=lambda report: print("\n".join(accuracy_lines(report)), flush=True),
    )
    if is_main_process():
        print(f"checkpoint, result and curves: {outcome.work_dir}")
    leave()
