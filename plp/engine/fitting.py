"""What methods compute from images rather than learn by gradient: before and after training."""

import logging

import torch
from torch.utils.data import DataLoader

from plp.datasets.loading import in_order
from plp.engine.data import Loaders
from plp.evaluation.finite import check_features
from plp.learners.prompt_learner import PromptLearner
from plp.progress import Progress
from plp.structures import Shots

logger = logging.getLogger("plp")


def fit(learner: PromptLearner, loaders: Loaders) -> list[str]:
    """Fit the branches that need the shots, before training; return what was done.

    A branch sees as many views of each shot as training has (`data.views`), one where each epoch
    draws new ones.
    """
    if not learner.needs_shots:
        return []
    val = None if loaders.val is None else collect(learner, loaders.val)
    return _told(learner.fit(collect(learner, loaders.train), val))


def tune(learner: PromptLearner, loaders: Loaders) -> list[str]:
    """Tune the branches that ask for it on validation images, after training."""
    if not learner.needs_tuning:
        return []
    if loaders.val is None:
        return _told(["nothing was tuned: the dataset has no validation images"])
    learner.eval()
    return _told(learner.tune(collect(learner, loaders.val)))


def collect(learner: PromptLearner, loader: DataLoader) -> Shots:
    """Encode all images of a loader's dataset, in the order of the dataset.

    Raises:
        NotFiniteError: for features that are NaN or infinite.
    """
    views = getattr(loader.sampler, "views", 1)
    views = 1 if views == "epoch" else views
    ordered = in_order(loader, views)
    pooled, labels = [], []
    progress = Progress("encoding", views * len(loader.dataset))  # type: ignore[arg-type,operator]
    for view in range(views):
        ordered.sampler.set_epoch(view)  # type: ignore[attr-defined]
        for batch in ordered:
            batch = learner.data_preprocessor(batch)
            pooled.append(learner.encode_image(batch["images"]).pooled.float())
            progress.add(len(batch["labels"]))
            if view == 0:
                labels.append(batch["labels"])
    found = torch.cat(pooled)
    check_features({"images": found}, "fitting and tuning")
    return Shots(found.unflatten(0, (views, -1)), torch.cat(labels))


def _told(lines: list[str]) -> list[str]:
    for line in lines:
        logger.info(line)
    return lines
