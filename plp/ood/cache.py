"""Features of a set's images through the disk: encoded once for all methods that share a tower."""

import logging
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Int
from torch import Tensor, tensor

from plp.config.data_options import DataOptions
from plp.datasets import FeatureDataset, FrozenBeside, ImageDataset
from plp.datasets.decoding import Traits
from plp.datasets.readable import inspect_images
from plp.features.cache import CachedViews, find_views
from plp.features.filling import fill_stores
from plp.features.kept_parts import kept_parts
from plp.learners.prompt_learner import PromptLearner

logger = logging.getLogger("plp")

_PART = "test"  # as the stores of training call it: their features serve here and the other way


class Stored(NamedTuple):
    """The readable images of a set, as features on disk.

    Attributes:
        dataset: Their features.
        places: Position of each in the list of images.
        unreadable: Position and reason of each image that cannot be read.
        traits: Of the images that were decoded now.
    """

    dataset: FeatureDataset | FrozenBeside
    places: Int[Tensor, " I"]
    unreadable: tuple[tuple[int, str], ...]
    traits: tuple[Traits, ...] = ()


def store_features(
    learner: PromptLearner,
    images: ImageDataset,
    folder: Path,
    batch_size: int,
    workers: int,
    limit: int = DataOptions.prefix_cache,
) -> Stored | None:
    """Encode those images of a set whose features are not on disk yet.

    Images whose features are there are proved readable; the others are opened first, so that every
    unreadable one is known before any is scored.

    Args:
        learner: Its frozen backbone encodes.
        images: The images; their transform must be one of plp's, and deterministic.
        folder: Folder of all stores.
        batch_size: Images that are encoded together.
        workers: Processes or threads that decode.
        limit: MiB that what enters a tuned block may take.

    Returns:
        The features; None where they cannot be kept, so that images must be encoded as they come.
    """
    kept = kept_parts({_PART: images}, learner, 1, limit, asked=[_PART])
    for note in kept.notes:
        logger.info(note)
    found = _find(images, learner, folder, workers) if kept.parts else None
    if found is None:
        return None
    inspection = inspect_images(found.unproved(), images.root, workers, images.reading)
    reasons, traits = inspection.unreadable, tuple(inspection.traits.values())
    unreadable = [(i, reasons[item]) for i, item in enumerate(images.items) if item in reasons]
    places = [i for i, item in enumerate(images.items) if item not in reasons]
    if not places:
        return None
    if unreadable:
        found = _find(images.only(places), learner, folder, workers)
    whole = fill_stores({_PART: found} if found else {}, learner, batch_size, workers)
    if _PART not in whole:
        return None
    return Stored(whole[_PART].dataset(), tensor(places), tuple(unreadable), traits)


def _find(
    images: ImageDataset, learner: PromptLearner, folder: Path, workers: int
) -> CachedViews | None:
    return find_views(folder, {_PART: images}, 1, learner, max(workers, 1)).get(_PART)
