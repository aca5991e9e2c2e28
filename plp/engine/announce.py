"""What a training says before it begins."""

import logging
from pathlib import Path
from typing import Any

import torch

from plp.wording import count

logger = logging.getLogger("plp")


def announce(run: dict[str, Any], folder: Path, steps: int, resumed: bool) -> None:
    """Log what is trained on what, what to know about it, and where it is written.

    Args:
        run: What the run is, see `describe_run`.
        folder: Work directory.
        steps: Steps an epoch.
        resumed: Whether it goes on from a state.
    """
    images = run["images"]
    logger.info(
        "%s: %s, %s (%s sampler, seed %d): %s to train, %d to validate, %d to test",
        run["dataset"], count(len(run["class_names"]), "class", "classes"),
        count(run["shots"], "shot"), run["sampler"], run["seed"],
        count(images["train"], "image"), images["val"], images["test"],
    )  # fmt: skip
    for note in run["notes"]:
        logger.warning(note)
    shots = count(run["shots"], "shot")
    for key, value in run["recipe"].items():
        logger.info("recipe of %s, %s: %s = %s", run["dataset"], shots, key, value)
    for line in run["prompts"]:
        logger.info(line)
    for line in run["tuners"]:
        logger.info("tuner %s", line)
    learned = sum(torch.Size(shape).numel() for shape in run["learned_parameters"].values())
    logger.info(
        "%s, %s per epoch, %s",
        count(learned, "learned parameter"), count(steps, "step"), run["device"],
    )  # fmt: skip
    logger.info("%s in %s", "resuming" if resumed else "writing", folder)
