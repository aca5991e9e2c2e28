"""Images through the frozen tower, once for each view."""

import logging
import time
from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader

from plp.datasets import FeatureDataset, ImageDataset, MemoryRows, View
from plp.learners.prompt_learner import PromptLearner
from plp.structures import ImageFeatures

logger = logging.getLogger("plp")

TOLD_EVERY = 20.0  # seconds


def encode(
    learner: PromptLearner,
    images: ImageDataset,
    views: Sequence[View],
    batch_size: int,
    workers: int,
    references: bool,
) -> Iterator[ImageFeatures]:
    """Send views through the learner's frozen tower, and yield their features by batch.

    How far it is stands in the log every `TOLD_EVERY` seconds and a batch.

    Every process of a distributed run encodes them all.
    """
    loader = DataLoader(
        images,
        batch_size=batch_size,
        sampler=views,
        num_workers=workers,
        generator=torch.Generator(),  # its own: else it takes a number from torch's global one
    )
    done, told = 0, time.monotonic()
    for batch in loader:
        pixels = batch["images"].to(learner.backbone.device)
        yield learner.encode_image(pixels, references=references).to("cpu")
        done += len(pixels)
        if time.monotonic() - told >= TOLD_EVERY:
            told = time.monotonic()
            logger.info("encoded %d of %d images", done, len(views))


def encode_views(
    learner: PromptLearner,
    images: ImageDataset,
    views: int,
    batch_size: int,
    workers: int,
    references: bool = False,
) -> FeatureDataset:
    """Encode n views of every image, and keep the features in memory.

    Args:
        learner: Its frozen backbone encodes.
        images: The images.
        views: Views of each.
        batch_size: Images that are encoded together.
        workers: Processes that decode images; 0 decodes in this one.
        references: Also yield the streams that only references look at.
    """
    found: list[ImageFeatures] = []
    for view in range(views):
        which = [View(item, view) for item in range(len(images))]
        found += encode(learner, images, which, batch_size, workers, references)
    features = ImageFeatures(
        torch.cat([one.pooled for one in found]),
        {name: torch.cat([one.dense[name] for one in found]) for name in found[0].dense},
        found[0].grid,
    )
    labels = torch.tensor([item.label for item in images.items])
    return FeatureDataset(MemoryRows(features), labels, images.metainfo)
