"""From a data source to the loaders of one run."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from mmengine.config import Config
from torch.utils.data import DataLoader

from plp.backbones.base import Backbone
from plp.datasets import (
    FewShot,
    ImageDataset,
    build_loader,
    verify_images,
)
from plp.errors import ConfigError
from plp.registry import TRANSFORMS


@dataclass(frozen=True)
class DataOptions:
    """The `data` section of a config.

    Attributes:
        shots: Training images a class.
        sampler: 'exact' (K of every class) or 'stratified' (published GalLoP and SOT-GLP).
        batch_size: Training batch; cut to the number of shots where it is larger.
        eval_batch_size: Batch of validation and test.
        num_workers: Processes that decode images; 0 decodes in the main process. The numbers of a
            run do not depend on it.
        drop_last: Leave out the last, smaller batch of an epoch.
        views: 'epoch' draws a new augmentation each epoch; a number repeats that many.
        train_transform: Config of the training transform.
        eval_transform: Config of the transform for validation and test.
        verify: Open every image before training, so that all unreadable ones are named at once.
    """

    shots: int = 16
    sampler: str = "exact"
    batch_size: int = 32
    eval_batch_size: int = 64
    num_workers: int = 2
    drop_last: bool = False
    views: int | Literal["epoch"] = "epoch"
    train_transform: dict[str, Any] = field(default_factory=lambda: dict(type="FewShotTrain"))
    eval_transform: dict[str, Any] = field(default_factory=lambda: dict(type="ClipEval"))
    verify: bool = True

    @staticmethod
    def of(config: Config) -> "DataOptions":
        """Read the section, naming unknown keys and values that cannot be."""
        known = [f.name for f in fields(DataOptions)]
        given = config.get("data") or {}
        if unknown := [key for key in given if key not in known]:
            raise ConfigError(f"data: unknown keys {unknown}. It takes: {', '.join(known)}")
        options = DataOptions(**given)
        for key in ("batch_size", "eval_batch_size"):
            value = getattr(options, key)
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"expected data.{key} to be a whole number from 1 up, got {value!r}")
        return options


@dataclass(frozen=True)
class Loaders:
    """The three loaders of a run and what should be said about them."""

    train: DataLoader
    val: DataLoader | None
    test: DataLoader
    notes: tuple[str, ...]
    transforms: dict[str, str]


def build_loaders(few: FewShot, options: DataOptions, backbone: Backbone, seed: int) -> Loaders:
    """Check the images, then make the loaders.

    Raises:
        DataError: naming all images that cannot be read.
    """
    inputs = dict(size=backbone.image_size, interpolation=backbone.interpolation)
    augment = TRANSFORMS.build(options.train_transform, **inputs)
    plain = TRANSFORMS.build(options.eval_transform, **inputs)
    if options.verify:
        verify_images([*few.train, *few.val, *few.test], few.root, workers=options.num_workers)
    common = dict(seed=seed, num_workers=options.num_workers)
    train = build_loader(
        ImageDataset(few.train, few.root, augment, seed=seed, class_names=few.class_names),
        batch_size=options.batch_size,
        shuffle=True,
        drop_last=options.drop_last,
        views=options.views,
        **common,
    )
    val, test = (
        build_loader(
            ImageDataset(items, few.root, plain, seed=seed, class_names=few.class_names),
            batch_size=options.eval_batch_size,
            shuffle=False,
            drop_last=False,
            views=1,
            **common,
        )
        if items
        else None
        for items in (few.val, few.test)
    )
    if test is None:
        raise ConfigError(f"{few.name} has no test images")
    return Loaders(
        train.loader,
        val.loader if val else None,
        test.loader,
        (*few.notes, *train.notes),
        dict(train=repr(augment), eval=repr(plain)),
    )
