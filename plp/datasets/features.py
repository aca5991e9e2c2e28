"""Features of frozen views: an image seen in the same view twice is encoded once."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypedDict, final

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import Dataset

from plp.datasets.images import View
from plp.structures import ImageFeatures


class FeatureBatch(TypedDict):
    """A batch as `PromptLearner.forward` takes it."""

    images: ImageFeatures
    labels: Int[Tensor, " B"]
    indices: Int[Tensor, " B"]


class FeatureRows(ABC):
    """Features of V views, wherever they are."""

    @abstractmethod
    def __len__(self) -> int:
        """Return V."""

    @abstractmethod
    def gather(self, rows: Int[Tensor, " B"]) -> ImageFeatures:
        """Return the features of the views at `rows`."""


@final
class MemoryRows(FeatureRows):
    """Features of V views in memory.

    Args:
        features: Their first axis is V.
    """

    def __init__(self, features: ImageFeatures) -> None:
        self.features = features

    def __len__(self) -> int:
        return len(self.features.pooled)

    def gather(self, rows: Int[Tensor, " B"]) -> ImageFeatures:
        """Return the features of the views at `rows`."""
        dense = {name: stream[rows] for name, stream in self.features.dense.items()}
        return ImageFeatures(self.features.pooled[rows], dense, self.features.grid)


class FeatureDataset(Dataset[View]):
    """Features of every image in n fixed views, in memory or on disk.

    Indexing returns the index itself; `collate` gathers a whole batch with one indexed read, which
    is why a loader of this data set needs no workers.

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
