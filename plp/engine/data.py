"""From a data source to the loaders of one run."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from mmengine.config import Config
from torch.utils.data import DataLoader, Dataset

from plp.backbones.base import Backbone
from plp.datasets import (
    DataSource,
    FewShot,
    ImageDataset,
    Item,
    Loading,
    build_loader,
    decode_images,
    find_unreadable,
    sample,
    verify_images,
)
from plp.datasets.base import some
from plp.datasets.class_subset import PARTS, Part, take_classes
from plp.engine.crop_dataset import CropDataset
from plp.engine.encoding import encode_views
from plp.engine.feature_cache import CachedViews, cache_folder, find_views
from plp.engine.feature_filling import fill_stores
from plp.engine.processes import share_of_batch
from plp.errors import ConfigError, DataError
from plp.learners.prompt_learner import PromptLearner
from plp.registry import TRANSFORMS
from plp.transforms import Transform

logger = logging.getLogger("plp")


@dataclass(frozen=True)
class DataOptions:
    """The `data` section of a config.

    Attributes:
        shots: Training images a class.
        sampler: 'exact' (K of every class) or 'stratified' (published GalLoP and SOT-GLP).
        classes: 'all', or 'base' or 'new' for one half of them, see `take_classes`.
        batch_size: Training batch, of all processes together; cut to the number of shots where it
            is larger.
        eval_batch_size: Batch of validation and test.
        num_workers: Processes that decode images; 0 decodes in the main process. The numbers of a
            run do not depend on it.
        drop_last: Leave out the last, smaller batch of an epoch.
        views: 'epoch' draws a new augmentation each epoch; a number repeats that many.
        cache_features: Encode each view of a training or validation image once and keep the
            features in memory; needs a number of views. Exact: the backbone is frozen.
        feature_cache: Keep the features of all images whose views come back (validation, test, and
            training with a number of views or a deterministic transform) on disk, for this run and
            later ones, and read them from there. A folder; True for `$PLP_CACHE_DIR/features`,
            else `~/.cache/plp/features`; None or False for nothing on disk.
        image_cache: Training images are decoded once, before training, and kept in memory up to
            so many MiB, which all worker processes share; the others are decoded in each epoch. An
            image takes three bytes a pixel. 0 keeps none. A run of several processes, one a GPU,
            keeps them in each. The numbers of a run do not depend on it.
        augment: Where training images are resized: 'cpu' (by PIL, as published) or 'device' (the
            same crops of `FewShotTrain`, a batch at a time; pixels are off by PIL's rounding).
        train_transform: Config of the training transform.
        eval_transform: Config of the transform for validation and test.
        verify: Open every image before training, so that all unreadable ones are named at once; an
            image whose features are on disk has been read before.
        on_error: At validation or test images that cannot be read: 'stop', or 'skip' them, name
            them and count the others. Training images are never skipped: they are the draw.
    """

    shots: int = 16
    sampler: str = "exact"
    classes: Part = "all"
    batch_size: int = 32
    eval_batch_size: int = 64
    num_workers: int = 2
    drop_last: bool = False
    views: int | Literal["epoch"] = "epoch"
    cache_features: bool = False
    feature_cache: str | bool | None = None
    image_cache: int = 0
    augment: Literal["cpu", "device"] = "cpu"
    train_transform: dict[str, Any] = field(default_factory=lambda: dict(type="FewShotTrain"))
    eval_transform: dict[str, Any] = field(default_factory=lambda: dict(type="ClipEval"))
    verify: bool = True
    on_error: Literal["stop", "skip"] = "stop"

    @staticmethod
    def of(config: Config) -> "DataOptions":
        """Read the section, naming unknown keys and values that cannot be."""
        known = [f.name for f in fields(DataOptions)]
        given = config.get("data") or {}
        if unknown := [key for key in given if key not in known]:
            raise ConfigError(f"data: unknown keys {unknown}. It takes: {', '.join(known)}")
        _check_values(given)
        options = DataOptions(**given)
        if options.cache_features and options.views == "epoch":
            raise ConfigError(
                "data.cache_features=True needs a number of views to cache, got "
                "data.views='epoch': set data.views=1 (or more), or cache_features=False"
            )
        return options


# Of the section; the numbers of a run do not depend on them.
WITHOUT_EFFECT = ("num_workers", "verify", "feature_cache", "image_cache")

_LEAST = {"shots": 1, "batch_size": 1, "eval_batch_size": 1, "num_workers": 0, "image_cache": 0}


def _check_values(given: Mapping[str, Any]) -> None:
    for key, least in _LEAST.items():
        value = given.get(key, least)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(
                f"expected data.{key} to be a whole number from {least} up, got {value!r}"
            )
    for key in ("drop_last", "cache_features", "verify"):
        if not isinstance(given.get(key, False), bool):
            raise ConfigError(f"expected data.{key} to be True or False, got {given[key]!r}")
    if given.get("classes", "all") not in PARTS:
        raise ConfigError(
            f"expected data.classes among {', '.join(PARTS)}, got {given['classes']!r}"
        )
    if given.get("on_error", "stop") not in ("stop", "skip"):
        raise ConfigError(f"expected data.on_error 'stop' or 'skip', got {given['on_error']!r}")
    if given.get("augment", "cpu") not in ("cpu", "device"):
        raise ConfigError(
            f"expected data.augment to be 'cpu' or 'device', got {given['augment']!r}"
        )
    folder = given.get("feature_cache")
    if not isinstance(folder, str | bool | None) or folder == "":
        raise ConfigError(
            f"expected data.feature_cache to be a folder, True, False or None, got {folder!r}"
        )
    views = given.get("views", "epoch")
    if views != "epoch" and (isinstance(views, bool) or not isinstance(views, int) or views < 1):
        raise ConfigError(f"expected data.views to be 'epoch' or a number from 1 up, got {views!r}")


@dataclass(frozen=True)
class Loaders:
    """The loaders of a run by part, what should be said about them, the transforms used, and the
    images in them.
    """

    loaders: dict[str, DataLoader[Any]]
    notes: tuple[str, ...]
    transforms: dict[str, str]
    few: FewShot

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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        few = sample(source.splits(), options.shots, seed, options.sampler)
    return take_classes(few, options.classes)


def transform_for(backbone: Backbone, config: Mapping[str, Any]) -> Transform:
    """Build a transform that yields images of the size a backbone takes."""
    return TRANSFORMS.build(
        dict(config), size=backbone.image_size, interpolation=backbone.interpolation
    )


def build_loaders(
    few: FewShot,
    options: DataOptions,
    learner: PromptLearner,
    seed: int,
    parts: Sequence[str] = ("train", "val", "test"),
) -> Loaders:
    """Check the images, then make the loaders.

    Args:
        few: Images.
        options: Batches, transforms, caching.
        learner: Its backbone says how large images must be, and encodes the views to cache.
        seed: Seed of order and augmentation.
        parts: Which loaders to make; the images of other parts are not opened.

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
        few = _readable(few, options, [part for part in parts if part != "train"])
    augment = transform_for(learner.backbone, options.train_transform)
    plain = transform_for(learner.backbone, options.eval_transform)
    images = {
        part: ImageDataset(
            items, few.root, augment if part == "train" else plain,
            seed=seed, class_names=few.class_names,
        )
        for part in parts
        if (items := getattr(few, part))
    }  # fmt: skip
    cached = _stored_views(images, options, learner)
    loaders = {
        part: _loader(part, one, cached.get(part), options, learner, seed)
        for part, one in images.items()
    }
    notes = few.notes + (loaders["train"].notes if "train" in loaders else ())
    made = {part: loading.loader for part, loading in loaders.items()}
    return Loaders(made, notes, dict(train=repr(augment), eval=repr(plain)), few)


def _readable(few: FewShot, options: DataOptions, parts: Sequence[str]) -> FewShot:
    """Leave out what cannot be read, and say so."""
    for part in parts:
        items: tuple[Item, ...] = getattr(few, part)
        broken = find_unreadable(items, few.root, max(options.num_workers, 1))
        if not broken:
            continue
        if len(broken) == len(items):
            raise DataError(
                f"none of the {len(items)} {part} images can be read; {broken[items[0]]}"
            )
        note = (
            f"{few.name}: {len(broken)} of {len(items)} {part} images cannot be read and are left "
            f"out; numbers are of the other {len(items) - len(broken)}: {some([*broken.values()])}"
        )
        kept: dict[str, Any] = {part: tuple(item for item in items if item not in broken)}
        few = few._replace(**kept, notes=(*few.notes, note))
    return few


def _stored_views(
    images: Mapping[str, ImageDataset], options: DataOptions, learner: PromptLearner
) -> dict[str, CachedViews]:
    """Check images, decode what to keep; return the parts whose features are on disk (now)."""
    folder, workers = cache_folder(options.feature_cache), max(options.num_workers, 1)
    found = find_views(folder, images, options.views, learner, workers) if folder else {}
    if options.verify and images:
        unproved = [
            item
            for part, one in images.items()
            for item in (found[part].unproved() if part in found else one.items)
        ]
        verify_images(unproved, next(iter(images.values())).root, workers)
    if "train" in images and ("train" not in found or found["train"].missing()):
        _keep_decoded(images["train"], options.image_cache, workers)
    return fill_stores(found, learner, options.eval_batch_size, options.num_workers)


def _keep_decoded(images: ImageDataset, mebibytes: int, workers: int) -> None:
    """Decode images into memory as far as it reaches, before there are workers to share it."""
    if not mebibytes:
        return
    logger.info(
        "decoding %d training images into memory, up to data.image_cache=%d MiB",
        len(images), mebibytes,
    )  # fmt: skip
    images.decoded = decode_images(
        images.items, images.root, mebibytes * 2**20, workers, images.exif
    )
    if len(images.decoded) < len(images):
        logger.info(
            "%d of %d training images are in memory, the others will be decoded in each epoch: "
            "raise data.image_cache to hold more",
            len(images.decoded), len(images),
        )  # fmt: skip


def _loader(
    part: str,
    images: ImageDataset,
    cached: CachedViews | None,
    options: DataOptions,
    learner: PromptLearner,
    seed: int,
) -> Loading:
    train = part == "train"
    views = options.views if train else 1
    workers = options.num_workers
    dataset: Dataset[Any] = images
    if cached is not None:
        dataset, views, workers = cached.dataset(), cached.views, 0
    elif options.cache_features and part != "test":
        dataset = encode_views(
            learner, images, int(views), options.eval_batch_size, workers, references=not train
        )
        workers = 0
    elif train and options.augment == "device":
        dataset = CropDataset(images)
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
