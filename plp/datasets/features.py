"""Features of frozen views: an image seen in the same view twice is encoded once."""

from collections.abc import Sequence
from typing import Any, TypedDict

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from plp.datasets.images import View
from plp.structures import ImageFeatures


class FeatureBatch(TypedDict):
    """A batch as `PromptLearner.forward` takes it."""

    images: ImageFeatures
    labels: Int[Tensor, " B"]
    indices: Int[Tensor, " B"]


class FeatureDataset(Dataset[View]):
    """Features of every image in n fixed views, in memory.

    Indexing returns the index itself; `collate` gathers a whole batch with one indexed read, which
    is why a loader of this data set needs no workers.

    Args:
        features: Features with an axis [V] of views times images: view v of image i at v * I + i.
        labels: Labels of the I images.
        metainfo: Carried for mmengine.

    Raises:
        ValueError: if the features are not a whole number of views of the images.
    """

    def __init__(
        self, features: ImageFeatures, labels: Int[Tensor, " I"], metainfo: dict[str, Any]
    ) -> None:
        count = len(features.pooled)
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
        pooled: Float[Tensor, "B E"] = self.features.pooled[rows]
        dense = {name: stream[rows] for name, stream in self.features.dense.items()}
        features = ImageFeatures(pooled, dense, self.features.grid)
        return FeatureBatch(images=features, labels=self.labels[items], indices=items)
