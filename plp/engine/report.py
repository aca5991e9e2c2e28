"""Leaving a report behind a run that has ended; a report that fails is no reason to fail."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from mmengine.config import Config
from torch import Tensor

from plp.datasets import FewShot
from plp.engine.data import transform_for
from plp.engine.data_options import DataOptions
from plp.errors import ConfigError
from plp.evaluation import ClassificationReport
from plp.learners.prompt_learner import PromptLearner
from plp.progress import ticking
from plp.report.leave import leave
from plp.report.run_report import Finished, read_curves, run_report
from plp.report.specialisation import specialisation
from plp.report.tested import keep

logger = logging.getLogger("plp")


def wants_report(config: Config) -> bool:
    """Return the entry `report` of a config; True if it has none.

    Raises:
        ConfigError: for anything but True and False.
    """
    wanted = config.get("report", True)
    if not isinstance(wanted, bool):
        raise ConfigError(f"expected report to be True or False, got {wanted!r}")
    return wanted


def leave_report(
    folder: Path,
    result: Mapping[str, Any],
    report: ClassificationReport,
    learner: PromptLearner,
    options: DataOptions,
    few: FewShot,
    validation: Mapping[str, Float[Tensor, " _"]],
) -> Path | None:
    """Write `report.html`; whatever goes wrong is told in a line, and the run is as good as before.

    Args:
        folder: Work directory of the run.
        result: Its result.
        report: Its test.
        learner: The trained learner.
        options: The `data` section.
        few: The images, in the order of the test.
        validation: Scores of its validation images.

    Returns:
        The file; None if it could not be written.
    """

    def make() -> str:
        learner.eval()
        tested = keep(report, few.test, few.class_names)
        transform = transform_for(learner.backbone, options.eval_transform)
        seen = specialisation(learner, transform, tested, few.root, options.reading)
        return run_report(Finished(result, read_curves(folder), tested, few.root, validation, seen))

    begin = time.monotonic()
    with ticking("making the report"):
        path = leave(folder, make)
    if path is not None:
        logger.info("report: %s (%.1f s)", path, time.monotonic() - begin)
    return path
