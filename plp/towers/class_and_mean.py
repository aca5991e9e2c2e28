"""Class token and mean of the patches, side by side: DINOv2's feature for linear classifiers."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from plp.structures import ImageFeatures, ImagePrefix
from plp.towers.image import ImageTower
from plp.towers.points import TowerPoints
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

    @property
    def description(self) -> ImageTower:
        """The tower as points name its parts."""
        return self.inner.description

    def encode(
        self,
        images: Float[Tensor, "B 3 H X"],
        streams: Sequence[str],
        points: TowerPoints | None = None,
    ) -> ImageFeatures:
        """Encode images of the tower's own size."""
        return _side_by_side(self.inner.encode(images, _with_tokens(streams), points), streams)

    def prefix(
        self,
        images: Float[Tensor, "B 3 H X"],
        block: int,
        streams: Sequence[str] = (),
        points: TowerPoints | None = None,
    ) -> ImagePrefix:
        """Encode images up to a block."""
        return self.inner.prefix(images, block, _with_tokens(streams), points)

    def resume(
        self, prefix: ImagePrefix, streams: Sequence[str] = (), points: TowerPoints | None = None
    ) -> ImageFeatures:
        """Encode what `prefix` stopped in front of, to the end."""
        return _side_by_side(self.inner.resume(prefix, _with_tokens(streams), points), streams)

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Send patches the way of both halves."""
        return torch.cat([self.inner.project(dense), dense], dim=-1)


def _with_tokens(streams: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*streams, "tokens"]))


def _side_by_side(found: ImageFeatures, streams: Sequence[str]) -> ImageFeatures:
    pooled = torch.cat([found.pooled, found.dense["tokens"].mean(dim=1)], dim=-1)
    return found._replace(pooled=pooled, dense={name: found.dense[name] for name in streams})
