"""From a data source to the loaders of one run."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader

from plp.backbones.base import Backbone
from plp.config.data_options import DataOptions
from plp.datasets import (
    DataSource,
    FewShot,
    ImageDataset,
    Splits,
    decode_images,
    sample,
)
from plp.datasets.class_subset import take_classes
from plp.datasets.names_file import rename_classes
from plp.datasets.pixel_notes import pixel_notes
from plp.datasets.readable import (
    glance_at,
    inspect_images,
    leave_out_unreadable,
    refuse_unreadable,
)
from plp.engine.part_loader import part_loader
from plp.errors import ConfigError
from plp.features.cache import (
    CachedViews,
    cache_folder,
    find_views,
)
from plp.features.filling import fill_stores
from plp.features.kept_parts import KeptParts, kept_parts
from plp.learners.prompt_learner import PromptLearner
from plp.registry import TRANSFORMS
from plp.transforms import Transform
from plp.transforms.size import plain_size

logger = logging.getLogger("plp")


@dataclass(frozen=True)
class Loaders:
    """The loaders of a run by part, what should be said about them, the transforms used, and the
    images in them. `pixel_notes`, which are among the notes, are of how images are read.
    """

    loaders: dict[str, DataLoader[Any]]
    notes: tuple[str, ...]
    transforms: dict[str, str]
    few: FewShot
    pixel_notes: tuple[str, ...] = ()

    @property
    def train(self) -> DataLoader[Any]:
        """Loader of the shots."""
        return self.loaders["train"]

    @property
    def val(self) -> DataLoader[Any] | None:
        """Loader of the validation images, if there are any."""
        return self.loaders.get("val")

    @property
    def test(self) -> DataLoader[Any]:
        """Loader of the test images."""
        return self.loaders["test"]


def draw(source: DataSource, options: DataOptions, seed: int) -> FewShot:
    """Draw the shots of a run; what the sampler warns of stands in the draw's notes."""
    return draw_from(list_images(source), options, seed)


def list_images(source: DataSource) -> Splits:
    """Return the lists of a source; what it warns of stands in their notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return source.splits()


def draw_from(splits: Splits, options: DataOptions, seed: int) -> FewShot:
    """Draw the shots of a run from lists, see `draw`; classes are renamed first."""
    if options.class_names:
        splits = rename_classes(splits, options.class_names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        few = sample(splits, options.shots, seed, options.sampler)
    return take_classes(few, options.classes)


def transform_for(backbone: Backbone, config: Mapping[str, Any]) -> Transform:
    """Build a transform that yields images of the size a backbone takes."""
    how = backbone.preprocessing
    return TRANSFORMS.build(
        dict(config),
        size=plain_size(how.size),
        interpolation=how.interpolation,
        preprocessing=how,
    )


def build_loaders(
    few: FewShot,
    options: DataOptions,
    learner: PromptLearner,
    seed: int,
    parts: Sequence[str] = ("train", "val", "test"),
    epochs: int = 1,
) -> Loaders:
    """Check the images, then make the loaders.

    Args:
        few: Images.
        options: Batches, transforms, caching.
        learner: Its backbone says how large images must be, and encodes the views to cache.
        seed: Seed of order and augmentation.
        parts: Which loaders to make; the images of other parts are not opened.
        epochs: How often images may be decoded that are not kept, see `decoders`.

    Raises:
        ConfigError: for shots of a set that is for testing only.
        DataError: naming all images that cannot be read.
    """
    if "train" in parts and not few.train:
        raise ConfigError(
            f"{few.name} is for testing only, there are no shots to draw. Train on another data "
            f"set, then: tools/test.py CONFIG CHECKPOINT --dataset {few.name}"
        )
    if options.on_error == "skip":
        others = [part for part in parts if part != "train"]
        few = leave_out_unreadable(few, others, options.num_workers, options.reading)
    augment = transform_for(learner.backbone, options.train_transform)
    plain = transform_for(learner.backbone, options.eval_transform)
    images = {
        part: ImageDataset(
            items, few.root, augment if part == "train" else plain,
            seed=seed, class_names=few.class_names, **options.reading._asdict(),
        )
        for part in parts
        if (items := getattr(few, part))
    }  # fmt: skip
    kept = _kept(images, options, learner)
    cached, about_pixels = _stored_views(images, options, learner, few, kept)
    loaders = {
        part: part_loader(part, one, cached.get(part), options, learner, seed, epochs, kept)
        for part, one in images.items()
    }
    notes = (
        few.notes
        + about_pixels
        + kept.notes
        + (loaders["train"].notes if "train" in loaders else ())
    )
    made = {part: loading.loader for part, loading in loaders.items()}
    return Loaders(made, notes, dict(train=repr(augment), eval=repr(plain)), few, about_pixels)


def _kept(
    images: Mapping[str, ImageDataset], options: DataOptions, learner: PromptLearner
) -> KeptParts:
    """Say which parts' features are kept, on disk or in memory."""
    disk = cache_folder(options.feature_cache) is not None
    asked = [part for part in images if disk or (options.cache_features and part != "test")]
    return kept_parts(images, learner, options.views, options.prefix_cache, asked)


def _stored_views(
    images: Mapping[str, ImageDataset],
    options: DataOptions,
    learner: PromptLearner,
    few: FewShot,
    kept: KeptParts,
) -> tuple[dict[str, CachedViews], tuple[str, ...]]:
    """Check images, decode what to keep; return the parts whose features are on disk (now), and
    what is to be said about the images.
    """
    folder, workers = cache_folder(options.feature_cache), max(options.num_workers, 1)
    parts = {part: one for part, one in images.items() if part in kept.parts}
    found = find_views(folder, parts, options.views, learner, workers) if folder else {}
    unproved = [
        item
        for part, one in images.items()
        for item in (found[part].unproved() if part in found else one.items)
    ]
    inspection = inspect_images(
        unproved if options.verify else [], few.root, workers, options.reading
    )
    refuse_unreadable(inspection)
    shots = images["train"].items if "train" in images else ()
    # What is said about shots stands in each of their runs, also where nothing is decoded.
    inspection = glance_at(shots, inspection, few.root, workers)
    train = found.get("train")
    if "train" in images and (train is None or train.beside or train.missing()):
        _keep_decoded(images["train"], options.image_cache, workers)
    filled = fill_stores(found, learner, options.eval_batch_size, options.num_workers)
    return filled, pixel_notes(inspection, shots, options.reading)


def _keep_decoded(images: ImageDataset, mebibytes: int, workers: int) -> None:
    """Decode images into memory as far as it reaches, before there are workers to share it."""
    if not mebibytes:
        return
    logger.info(
        "decoding %d training images into memory, up to data.image_cache=%d MiB",
        len(images), mebibytes,
    )  # fmt: skip
    images.decoded = decode_images(
        images.items, images.root, mebibytes * 2**20, workers, *images.reading
    )
    if len(images.decoded) < len(images):
        logger.info(
            "%d of %d training images are in memory, the others will be decoded in each epoch: "
            "raise data.image_cache to hold more",
            len(images.decoded), len(images),
        )  # fmt: skip
