"""Training images as crops that the learner's device resizes, a batch at a time."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from plp.datasets import ImageDataset, View
from plp.datasets.images import mix_seed
from plp.errors import ConfigError
from plp.transforms import FewShotTrain
from plp.transforms.crops import Crops


class CropSample(NamedTuple):
    """A region of an image, to be resized, and mirrored or not."""

    region: UInt8[Tensor, "3 h w"]
    flip: bool
    label: int
    item: int


class CropBatch(TypedDict):
    """A batch as `PromptLearner.forward` takes it."""

    images: Crops
    labels: Int[Tensor, " B"]
    indices: Int[Tensor, " B"]


class CropDataset(Dataset[CropSample]):
    """The very crops that `FewShotTrain` takes of each view, not yet resized.

    Args:
        images: Images with that transform.

    Raises:
        ConfigError: for another transform, whose crops are not known.
    """

    def __init__(self, images: ImageDataset) -> None:
        if not isinstance(images.transform, FewShotTrain):
            raise ConfigError(
                "data.augment='device' knows the crops of FewShotTrain, got data.train_transform "
                f"{images.transform!r}: set data.augment='cpu'"
            )
        self.images = images
        self.transform = images.transform
        self.metainfo: dict[str, Any] = images.metainfo

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, which: View | int) -> CropSample:
        view = which if isinstance(which, View) else View(which, 0)
        image = self.images.read(view.item)
        generator = torch.Generator().manual_seed(mix_seed(*self.images.draw(view)))
        crop = self.transform.draw(*image.size, generator)
        right, bottom = crop.left + crop.width, crop.top + crop.height
        region = np.array(image.crop((crop.left, crop.top, right, bottom)))  # [h, w, 3]
        label = self.images.items[view.item].label
        return CropSample(torch.from_numpy(region).permute(2, 0, 1), crop.flip, label, view.item)

    def collate(self, samples: Sequence[CropSample]) -> CropBatch:
        """Put samples together; regions, which differ in size, one after the other."""
        regions, flips, labels, indices = zip(*samples, strict=True)
        crops = Crops.of(regions, torch.tensor(flips))
        return CropBatch(images=crops, labels=torch.tensor(labels), indices=torch.tensor(indices))
