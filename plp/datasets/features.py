"""Features of frozen views: an image seen in the same view twice is encoded once."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypedDict, final

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from plp.datasets.images import ImageDataset, Sample, View
from plp.datasets.kept_tensors import KeptTensors
from plp.structures import KeptImages, StartedImages


class FeatureBatch(TypedDict):
    """A batch as `PromptLearner.forward` takes it."""

    images: KeptImages
    labels: Int[Tensor, " B"]
    indices: Int[Tensor, " B"]


class FeatureRows(ABC):
    """Features of V views, wherever they are."""

    @abstractmethod
    def __len__(self) -> int:
        """Return V."""

    @abstractmethod
    def gather(self, rows: Int[Tensor, " B"]) -> KeptImages:
        """Return the features of the views at `rows`."""


@final
class MemoryRows(FeatureRows):
    """Features of V views in memory.

    Args:
        features: Their first axis is V.
    """

    def __init__(self, features: KeptImages) -> None:
        self.features = features

    @classmethod
    def joined(cls, parts: Sequence[KeptImages]) -> "MemoryRows":
        """Return the features of batches, one after the other."""
        kept = [KeptTensors.of(part) for part in parts]
        tensors = {name: torch.cat([one.tensors[name] for one in kept]) for name in kept[0].tensors}
        return cls(kept[0]._replace(tensors=tensors).images())

    def __len__(self) -> int:
        return len(self.features.untuned.pooled)

    def gather(self, rows: Int[Tensor, " B"]) -> KeptImages:
        """Return the features of the views at `rows`."""
        return self.features.rows(rows)


class FeatureDataset(Dataset[View]):
    """Features of every image in n fixed views, in memory or on disk.

    Indexing returns the index itself; `collate` gathers a whole batch with one indexed read, which
    is why a loader of this dataset needs no workers.

    Args:
        features: Features of V = views times images: view v of image i at v * I + i.
        labels: Labels of the I images.
        metainfo: Carried for mmengine.

    Raises:
        ValueError: if the features are not a whole number of views of the images.
    """

    def __init__(
        self, features: FeatureRows, labels: Int[Tensor, " I"], metainfo: dict[str, Any]
    ) -> None:
        count = len(features)
        if not len(labels) or count % len(labels):
            raise ValueError(f"expected whole views of {len(labels)} images, got {count} features")
        self.features = features
        self.labels = labels
        self.metainfo = metainfo

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, which: View | int) -> View:
        return which if isinstance(which, View) else View(which, 0)

    def collate(self, views: Sequence[View]) -> FeatureBatch:
        """Gather the features of a batch of views."""
        items = torch.tensor([view.item for view in views])
        rows = torch.tensor([view.view for view in views]) * len(self) + items
        features = self.features.gather(rows)
        return FeatureBatch(images=features, labels=self.labels[items], indices=items)


class _Beside(TypedDict):
    """Pixels of a view, and its place among the features."""

    sample: Sample
    row: int


@final
class FrozenBeside(Dataset[_Beside]):
    """Images as they are, with features of the frozen tower, which are not computed in each step.

    For towers that are tuned from the first block on: references and teachers see the frozen one.

    Args:
        images: The images.
        features: Features of views times images, as in `FeatureDataset`.
    """

    def __init__(self, images: ImageDataset, features: FeatureRows) -> None:
        self.images = images
        self.features = features
        self.metainfo = images.metainfo

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, which: View | int) -> _Beside:
        view = which if isinstance(which, View) else View(which, 0)
        views = len(self.features) // len(self)  # of a deterministic transform all are the same
        return _Beside(sample=self.images[view], row=view.view % views * len(self) + view.item)

    def collate(self, samples: Sequence[_Beside]) -> FeatureBatch:
        """Stack pixels, gather features."""
        batch = default_collate([one["sample"] for one in samples])
        features = self.features.gather(torch.tensor([one["row"] for one in samples]))
        started = StartedImages(batch["images"], features.untuned)
        return FeatureBatch(images=started, labels=batch["labels"], indices=batch["indices"])
