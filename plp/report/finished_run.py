"""Leaving a report behind a run that has ended; a report that fails is no reason to fail."""

import logging
import time
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process

from plp.engine.data import transform_for
from plp.engine.train import TrainResult, train
from plp.progress import ticking
from plp.report.leave import leave
from plp.report.run_report import Finished, read_curves, run_report
from plp.report.specialisation import specialisation
from plp.report.tested import keep

logger = logging.getLogger("plp")


def train_and_report(*args: Any, **keywords: Any) -> TrainResult:
    """Train as `plp.engine.train.train` does, then leave `report.html` where the config wants it.

    Args:
        args: As of `train`.
        keywords: As of `train`.
    """
    trained = train(*args, **keywords)
    if trained.wants_report and is_main_process():
        leave_report(trained)
    return trained


def leave_report(trained: TrainResult) -> Path | None:
    """Write `report.html`; whatever goes wrong is told in a line, and the run is as good as before.

    Returns:
        The file; None if it could not be written.
    """
    folder, learner, few = trained.work_dir, trained.learner, trained.images
    options = trained.options

    def make() -> str:
        tested = keep(trained.report, few.test, few.class_names)
        transform = transform_for(learner.backbone, options.eval_transform)
        seen = specialisation(learner, transform, tested, few.root, options.reading)
        finished = Finished(
            trained.result, read_curves(folder), tested, few.root, trained.validation, seen
        )
        return run_report(finished)

    begin = time.monotonic()
    with ticking("making the report"):
        path = leave(folder, make)
    if path is not None:
        logger.info("report: %s (%.1f s)", path, time.monotonic() - begin)
    return path
