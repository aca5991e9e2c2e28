"""The `data` section of a config: its keys, and which values they cannot have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, cast

from mmengine.config import Config

from plp.checks import check_choice, check_integer
from plp.config.pixel_options import check_pixel_options
from plp.datasets.class_subset import PARTS, Part
from plp.datasets.names_file import Pairs, check_pairs, read_names
from plp.errors import ConfigError
from plp.transforms.pixels import Reading, ValueRange


@dataclass(frozen=True)
class DataOptions:
    """The `data` section of a config.

    Attributes:
        shots: Training images per class.
        sampler: 'exact' (K of every class) or 'stratified' (published GalLoP and SOT-GLP).
        classes: 'all', or 'base' or 'new' for one half of them, see `take_classes`.
        batch_size: Training batch, of all processes together; cut to the number of shots where it
            is larger.
        eval_batch_size: Batch of validation and test.
        num_workers: Processes that decode images; 0 decodes in the main process, which also small
            sets are (see `decoders`). The numbers of a run do not depend on it.
        drop_last: Leave out the last, smaller batch of an epoch.
        views: 'epoch' draws a new augmentation each epoch; a number repeats that many.
        cache_features: Encode each view of a training or validation image once and keep the
            features in memory; needs a number of views. Exact: the backbone is frozen.
        feature_cache: Keep the features of all images whose views come back (validation, test, and
            training with a number of views or a deterministic transform) on disk, for this run and
            later ones, and read them from there. A folder; True for `$PLP_CACHE_DIR/features`,
            else `~/.cache/plp/features`; None or False for nothing on disk.
        prefix_cache: Where tuners act on the image tower from a block j > 0 on, `cache_features`
            and `feature_cache` keep what enters block j: at most so many MiB of a run (or of a set
            of images to score), train before val before test; 0 keeps none. 4096 MiB are 7000 views
            of ViT-B/16 (0.58 MiB each): 16 shots of 400 classes. The numbers of a run do not depend
            on it.
        image_cache: Training images are decoded once, before training, and kept in memory up to
            so many MiB, which all worker processes share; the others are decoded in each epoch. An
            image takes three bytes per pixel. 0 keeps none. Several processes, one per GPU, keep
            them in each. The numbers of a run do not depend on it.
        augment: Where training images are resized: 'cpu' (by PIL, as published) or 'device' (the
            same crops of `FewShotTrain`, many at a time; see `Crops.resized`).
        train_transform: Config of the training transform.
        eval_transform: Config of the transform for validation and test; `BackboneEval` is that of
            the backbone's weights.
        verify: Open every image before training, so that all unreadable ones are named at once; an
            image whose features are on disk has been read before.
        on_error: At validation or test images that cannot be read: 'stop', or 'skip' them, name
            them and count the others. Training images are never skipped: they are the draw.
        two_labels: At an image that stands in two classes, by content: 'refuse', or 'report' it and
            go on. The published lists of the field are never refused.
        exif: Turn images upright by their EXIF orientation. 'auto', None, or nothing in the config
            of a run: for data sources of photographs (`folder`), not for the field's datasets,
            whose published numbers ignore it. What it stands for is kept in the checkpoint, and
            followed by all that uses it; a checkpoint without it means False.
        value_range: Black and white of images of more than 8 bits, such as [0, 4095] for 12 bits;
            None for what a file says, else [0, 65535]. Kept and followed likewise.
        class_names: Readable names of classes: a names file (see `read_names`) or {class: name}.
            What the file says is kept in the config of the run; classes it leaves out keep their
            names.
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
    prefix_cache: int = 4096
    image_cache: int = 0
    augment: Literal["cpu", "device"] = "cpu"
    train_transform: dict[str, Any] = field(default_factory=lambda: dict(type="FewShotTrain"))
    eval_transform: dict[str, Any] = field(default_factory=lambda: dict(type="BackboneEval"))
    verify: bool = True
    on_error: Literal["stop", "skip"] = "stop"
    two_labels: Literal["refuse", "report"] = "refuse"
    exif: bool | Literal["auto"] | None = False
    value_range: Sequence[int | float] | None = None
    class_names: tuple[tuple[str, str], ...] | None = None

    @property
    def reading(self) -> Reading:
        """How images are read; where `exif` is not settled, as published."""
        low_high = None if self.value_range is None else tuple(self.value_range)
        return Reading(self.exif is True, cast(ValueRange | None, low_high))

    @staticmethod
    def of(config: Config) -> "DataOptions":
        """Read the section, naming unknown keys and values that cannot be."""
        known = [f.name for f in fields(DataOptions)]
        given = config.get("data") or {}
        if unknown := [key for key in given if key not in known]:
            raise ConfigError(f"data: unknown keys {unknown}. It takes: {', '.join(known)}")
        _check_values(given)
        named = given.get("class_names")
        pairs = None if named is None else _pairs(named)
        options = DataOptions(**{**given, "class_names": pairs})
        if options.cache_features and options.views == "epoch":
            raise ConfigError(
                "data.cache_features=True needs a number of views to cache, got "
                "data.views='epoch': set data.views=1 (or more), or cache_features=False"
            )
        return options


# Of the section; the numbers of a run do not depend on them.
WITHOUT_EFFECT = (
    "num_workers", "verify", "feature_cache", "prefix_cache", "image_cache", "two_labels",
)  # fmt: skip

_LEAST = {
    "shots": 1, "batch_size": 1, "eval_batch_size": 1, "num_workers": 0, "prefix_cache": 0,
    "image_cache": 0,
}  # fmt: skip
_CHOICES = {  # the first is the default
    "classes": tuple(PARTS), "on_error": ("stop", "skip"), "two_labels": ("refuse", "report"),
    "augment": ("cpu", "device"),
}  # fmt: skip


def settle_class_names(config: Config) -> None:
    """Put what a names file says into the config, so that a checkpoint needs no file.

    Raises:
        ConfigError: if the file cannot be read or says something else.
    """
    named = (config.get("data") or {}).get("class_names")
    if named is not None:
        config.data.class_names = [list(pair) for pair in _pairs(named)]


def _pairs(named: Any) -> Pairs:
    return read_names(named) if isinstance(named, str) else check_pairs(named)


def _check_values(given: Mapping[str, Any]) -> None:
    for key, least in _LEAST.items():
        check_integer(f"data.{key}", given.get(key, least), least)
    for key in ("drop_last", "cache_features", "verify"):
        if not isinstance(given.get(key, False), bool):
            raise ConfigError(f"expected data.{key} to be True or False, got {given[key]!r}")
    for key, choices in _CHOICES.items():
        check_choice(f"data.{key}", given.get(key, choices[0]), choices)
    check_pixel_options(given)
    folder = given.get("feature_cache")
    if not isinstance(folder, str | bool | None) or folder == "":
        raise ConfigError(
            f"expected data.feature_cache to be a folder, True, False or None, got {folder!r}"
        )
    views = given.get("views", "epoch")
    if views != "epoch":
        check_integer("data.views", views, other="'epoch'")
