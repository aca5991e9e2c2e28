"""Images through the frozen tower, once for each view."""

import itertools
import logging
import time
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch.utils.data import DataLoader

from plp.datasets import ImageDataset, MemoryRows, View
from plp.datasets.decoders import decoders, start_method
from plp.learners.prompt_learner import PromptLearner
from plp.structures import KeptImages

logger = logging.getLogger("plp")

TOLD_EVERY = 20.0  # seconds


def encode(
    learner: PromptLearner,
    images: ImageDataset,
    batches: Iterable[Sequence[View]],
    total: int,
    workers: int,
    references: bool,
) -> Iterator[KeptImages]:
    """Send batches of views through the learner's frozen tower, and yield what is kept of each.

    How far it is stands in the log every `TOLD_EVERY` seconds and a batch.

    Args:
        learner: Its frozen backbone encodes.
        images: The images.
        batches: Views that are encoded together; the next is asked for when a worker is free.
        total: Views that there may be in all: others may encode some of them.
        workers: Processes that decode images, see `decoders`; 0 decodes in this one.
        references: Also yield the streams that only references look at.
    """
    workers = decoders(images, workers, looks=total / len(images))
    loader = DataLoader(
        images,
        batch_sampler=batches,  # type: ignore[arg-type] # a tuple is as good as a list
        num_workers=workers,
        multiprocessing_context=start_method() if workers else None,
        generator=torch.Generator(),  # its own: else it takes a number from torch's global one
    )
    done, told = 0, time.monotonic()
    for batch in loader:
        pixels = batch["images"].to(learner.backbone.device)
        yield learner.keep_image(pixels, references=references).to("cpu")
        done += len(pixels)
        if time.monotonic() - told >= TOLD_EVERY:
            told = time.monotonic()
            logger.info("encoded %d of at most %d images", done, total)


def in_batches(views: Iterable[View], batch_size: int) -> list[list[View]]:
    """Return views in batches, in their order; a batch holds views of one number only.

    Example:
        >>> views = [View(item, number) for number in (0, 1) for item in range(3)]
        >>> [[view.item for view in batch] for batch in in_batches(views, 2)]
        [[0, 1], [2], [0, 1], [2]]
    """
    found: list[list[View]] = []
    for _, group in itertools.groupby(views, key=lambda view: view.view):
        same = list(group)
        found += [same[i : i + batch_size] for i in range(0, len(same), batch_size)]
    return found


def encode_views(
    learner: PromptLearner,
    images: ImageDataset,
    views: int,
    batch_size: int,
    workers: int,
    references: bool = False,
) -> MemoryRows:
    """Encode n views of every image, and keep the features in memory.

    Every process of a distributed run encodes them all.

    Args:
        learner: Its frozen backbone encodes.
        images: The images.
        views: Views of each.
        batch_size: Images that are encoded together.
        workers: Processes that decode images; 0 decodes in this one.
        references: Also yield the streams that only references look at.

    Returns:
        View v of image i at v * I + i.
    """
    order = [View(item, view) for view in range(views) for item in range(len(images))]
    batches = in_batches(order, batch_size)
    return MemoryRows.joined(
        list(encode(learner, images, batches, len(order), workers, references))
    )
