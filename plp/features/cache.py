"""Which features of a run are on disk already, and which are to be encoded."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch

from plp.check_cost import checking
from plp.datasets import (
    FeatureDataset,
    FeatureStore,
    FrozenBeside,
    ImageDataset,
    Item,
    StoredRows,
    View,
)
from plp.datasets.contents import file_digest, path_of
from plp.datasets.features import FeatureRows
from plp.features.kept_parts import views_that_come_back
from plp.files import user_cache
from plp.learners.prompt_learner import PromptLearner
from plp.learners.started import first_tuned_block
from plp.package import versions
from plp.transforms import Transform

SCREEN = {"screen": True}  # marks what a comparison shows, not only the log of the run

_PACKAGES = ("plp", "torch", "torchvision", "open_clip_torch", "timm", "pillow")


class CachedViews(NamedTuple):
    """The views of a part (train, val, test) whose features go through the disk.

    Attributes:
        images: The images.
        store: Where their features are or will be.
        keys: Key of each view, view v of image i at v * I + i; None for a file that cannot be read.
        views: Views of an image; 1 where the transform is deterministic, for all are the same then.
        references: Whether the references' streams are wanted too; training has no use for them.
        beside: Whether images are decoded too, for a tower that is tuned from its first block on.
    """

    images: ImageDataset
    store: FeatureStore
    keys: tuple[str | None, ...]
    views: int
    references: bool
    beside: bool = False

    def missing(self) -> dict[str | None, View]:
        """Return what is to be encoded, by key and in order; a key comes once."""
        found: dict[str | None, View] = {}
        for place, key in enumerate(self.keys):
            if key is None or key not in self.store:
                number, item = divmod(place, len(self.images))
                found.setdefault(key, View(item, number))
        return found

    def key_of(self, view: View) -> str | None:
        """Return the key of a view."""
        return self.keys[view.view * len(self.images) + view.item]

    def unproved(self) -> list[Item]:
        """Return the images of which the store does not prove that they can be read."""
        items = self.images.items * self.views
        pairs = zip(items, self.keys, strict=True)
        return list(dict.fromkeys(i for i, key in pairs if key is None or key not in self.store))

    def dataset(self) -> FeatureDataset | FrozenBeside:
        """Return a dataset that reads the features from the store; none may be missing."""
        keys = [key for key in self.keys if key is not None]
        return features_of(self.images, StoredRows(self.store, keys), self.beside)


def features_of(
    images: ImageDataset, rows: FeatureRows, beside: bool
) -> FeatureDataset | FrozenBeside:
    """Return images as the features that are kept of them, or `beside` their pixels."""
    if beside:
        return FrozenBeside(images, rows)
    return FeatureDataset(
        rows, torch.tensor([item.label for item in images.items]), images.metainfo
    )


def cache_folder(option: str | bool | None) -> Path | None:
    """Return the folder that `data.feature_cache` stands for, None for none.

    Example:
        >>> cache_folder('features').name, cache_folder(False)
        ('features', None)
    """
    if option is None or option is False:
        return None
    if isinstance(option, str):
        return Path(option).expanduser()
    return user_cache() / "features"


def find_views(
    folder: Path,
    parts: Mapping[str, ImageDataset],
    views: int | str,
    learner: PromptLearner,
    workers: int = 1,
) -> dict[str, CachedViews]:
    """Look the views of each part up; a part whose views never come back is left out.

    Args:
        folder: Folder of all stores.
        parts: Images by part: train, val, test; of a tuned tower those of `kept_parts`.
        views: Views of a training image; 'epoch' for a new one each epoch, which comes back only
            where the transform is deterministic.
        learner: Its backbone is the tower.
        workers: Threads that read files.
    """
    beside = tuned_from_the_start(learner)
    found: dict[str, CachedViews] = {}
    stores: dict[str, FeatureStore] = {}
    for part, images in parts.items():
        train, number = part == "train", views_that_come_back(part, images, views)
        if not number:
            continue
        settings = _settings(images, learner, references=not train)
        name = json.dumps(settings)
        if name not in stores:
            stores[name] = FeatureStore(folder, settings)
        transform = cast(Transform, images.transform)  # else nothing would come back
        keys = _keys(images, number, transform.deterministic, workers)
        stores[name].verify(keys)
        found[part] = CachedViews(
            images, stores[name], keys, number, references=not train, beside=beside
        )  # fmt: skip
    return found


def _keys(
    images: ImageDataset, views: int, deterministic: bool, workers: int
) -> tuple[str | None, ...]:
    """Return a key of each view: the digest of the file, and what decides a random draw."""

    def digest(item: Item) -> str | None:
        return file_digest(path_of(images.root, item)) or None

    with checking(), ThreadPoolExecutor(max(workers, 1)) as pool:
        digests = list(pool.map(digest, images.items))
    if deterministic:
        return tuple(digests)
    return tuple(
        found and "-".join([found, *map(str, images.draw(View(item, view)))])
        for view in range(views)
        for item, found in enumerate(digests)
    )


def _settings(images: ImageDataset, learner: PromptLearner, references: bool) -> dict[str, Any]:
    """Return all that decides features besides the image."""
    backbone, transform = learner.backbone, type(images.transform)
    packages = {name: found for name, found in versions().items() if name in _PACKAGES}
    return {
        "backbone": f"{type(backbone).__module__}.{type(backbone).__qualname__}",
        "fingerprint": backbone.fingerprint,
        "normalisation": [backbone.mean.tolist(), backbone.std.tolist()],
        **_streams(learner, references),
        "precision": learner.precision,
        "device": backbone.device.type,
        "transform": f"{transform.__module__}.{transform.__qualname__}: {images.transform!r}",
        "exif": images.exif,
        **_deep_settings(images),
        "packages": packages,
    }


def _deep_settings(images: ImageDataset) -> dict[str, Any]:
    """Return what decides features of deep images only: stores of others keep their names."""
    tiffs = any(item.path.lower().endswith((".tif", ".tiff")) for item in images.items)
    found: dict[str, Any] = {"tiff": 2} if tiffs else {}  # 2: of deep ones white is zero where said
    return found if images.value_range is None else {**found, "value_range": images.value_range}


def tuned_from_the_start(learner: PromptLearner) -> bool:
    """Return whether tuners act on the image tower with no block in front."""
    tuners = learner.tuners
    return tuners.acts_on_images and not first_tuned_block(learner.backbone, tuners)


def _streams(learner: PromptLearner, references: bool) -> dict[str, Any]:
    """Return what is read of the tower, and of a tuned one where it is left for its tuners."""
    own, others = learner.branches.streams, learner.references.streams if references else ()
    if not learner.tuners.acts_on_images:
        return {"streams": sorted({*own, *others})}
    frozen = {"streams": sorted(others)}
    block = first_tuned_block(learner.backbone, learner.tuners)
    return {**frozen, "prefix": {"block": block, "streams": sorted(own)}} if block else frozen
