"""The loader of one part of a run: of images, or of what is kept of them."""

import warnings
from typing import Any

from torch.utils.data import Dataset

from plp.config.data_options import DataOptions
from plp.datasets import FeatureDataset, ImageDataset, Loading, build_loader
from plp.datasets.decoders import decoders
from plp.engine.crop_dataset import CropDataset
from plp.engine.processes import share_of_batch
from plp.features.cache import CachedViews, features_of, tuned_from_the_start
from plp.features.encoding import encode_views
from plp.features.kept_parts import KeptParts
from plp.learners.prompt_learner import PromptLearner


def part_loader(
    part: str,
    images: ImageDataset,
    cached: CachedViews | None,
    options: DataOptions,
    learner: PromptLearner,
    seed: int,
    epochs: int,
    kept: KeptParts,
) -> Loading:
    """Make the loader of a part.

    Args:
        part: 'train', 'val' or 'test'.
        images: Its images.
        cached: Their features on disk, all of them there; None for none.
        options: Batches, transforms, caching.
        learner: Encodes the views to keep in memory.
        seed: Seed of the order.
        epochs: How often images may be decoded that are not kept.
        kept: Parts of which features are kept.
    """
    train = part == "train"
    views = options.views if train else 1
    workers = options.num_workers
    dataset: Dataset[Any] = images
    if cached is not None:
        dataset, views = cached.dataset(), cached.views
    elif options.cache_features and part != "test" and part in kept.parts:
        rows = encode_views(
            learner, images, int(views), options.eval_batch_size, workers, references=not train
        )
        dataset = features_of(images, rows, tuned_from_the_start(learner))
    elif train and options.augment == "device":
        dataset = CropDataset(images)
    if isinstance(dataset, FeatureDataset):  # nothing is decoded
        workers = 0
    workers = decoders(dataset, workers, looks=1 if part == "test" else epochs)
    with warnings.catch_warnings():  # what it warns of comes back as notes and is told once
        warnings.simplefilter("ignore", UserWarning)
        return build_loader(
            dataset,
            batch_size=share_of_batch(options.batch_size) if train else options.eval_batch_size,
            shuffle=train,
            drop_last=train and options.drop_last,
            views=views,
            seed=seed,
            num_workers=workers,
        )
