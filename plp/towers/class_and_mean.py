"""Class token and mean of the patches, side by side: DINOv2's feature for linear classifiers."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from plp.structures import ImageFeatures
from plp.towers.streams import TransformerStreams
from plp.towers.vision import VisionTower


class ClassAndMean(VisionTower):
    """`[class token, mean of the patches]`, both behind the last norm (Oquab et al. 2023, DINOv2).

    A patch alone is its own mean; in front of it stands what the class token's head makes of it.

    Args:
        tower: A tower that pools by its class token.
    """

    def __init__(self, tower: TransformerStreams) -> None:
        self.inner = tower
        self.streams, self.dense_dim = tower.streams, tower.dense_dim
        self.refusals = tower.refusals

    def encode(self, images: Float[Tensor, "B 3 H X"], streams: Sequence[str]) -> ImageFeatures:
        """Encode images of the tower's own size."""
        found = self.inner.encode(images, tuple(dict.fromkeys([*streams, "tokens"])))
        pooled = torch.cat([found.pooled, found.dense["tokens"].mean(dim=1)], dim=-1)
        return ImageFeatures(pooled, {name: found.dense[name] for name in streams}, found.grid)

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Send patches the way of both halves."""
        return torch.cat([self.inner.project(dense), dense], dim=-1)
