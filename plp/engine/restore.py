"""From a config and a checkpoint to the learner that was trained."""

import logging
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from plp.engine import checkpoint as checkpoints
from plp.engine.build import build_learner
from plp.engine.config import Choices
from plp.engine.setup import Setup, set_up
from plp.engine.work_dir import differences
from plp.learners.prompt_learner import PromptLearner

logger = logging.getLogger("plp")


class Restored(NamedTuple):
    """A trained learner and the decisions it is tested under.

    Attributes:
        setup: Config, data set, device and options.
        learner: The learner, on its device, in evaluation mode.
    """

    setup: Setup
    learner: PromptLearner


def restore_learner(
    config: str | Path | Config,
    checkpoint: str | Path,
    choices: Choices | None = None,
    device: str | None = None,
) -> Restored:
    """Build the learner of a config and load what was learned into it.

    Where the model's config differs from that of the training, a warning says so.

    Args:
        config: Config or config file the checkpoint was trained with.
        checkpoint: Checkpoint file, or the work directory of its run.
        choices: What differs from the config.
        device: Such as 'cpu' or 'cuda:1'.

    Raises:
        CheckpointError: if classes, their order, or the model differ from the checkpoint's.
        PlpError: if config, flags, data or device do not fit.
    """
    saved = checkpoints.load_checkpoint(checkpoint)
    setup = set_up(config, choices, device)
    checkpoints.check_class_names(saved.class_names, setup.few.class_names)
    learner = build_learner(setup.config, setup.few.class_names, seed=setup.seed)
    checkpoints.restore(learner, saved)
    trained = saved.info.get("config", {}).get("model", {})
    for difference in differences(trained, setup.config.to_dict()["model"], "model"):
        logger.warning("not as in training: %s", difference)
    return Restored(setup, learner.to(setup.device))
