"""Convolutional and hybrid towers of timm: the last feature map."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from plp.structures import ImageFeatures
from plp.towers.points import TowerPoints
from plp.towers.vision import VisionTower


class FeatureMap(VisionTower):
    """Pooled feature and last map of a tower that has no blocks of q, k, v over all patches.

    `tokens` are the places of the map that the tower's own head pools. A place goes into the joint
    space as a map of one place would: through pooling, norms and projections of the head.

    Args:
        trunk: The timm model.
        head: What follows it (open_clip's projection); None for nothing.
        why: Why there is no transformer to read, as a clause.
    """

    streams = ("tokens",)

    def __init__(self, trunk: Any, head: nn.Module | None, why: str) -> None:
        self.trunk = trunk
        self.head: Any = head if head is not None else nn.Identity()
        self.dense_dim = int(self.trunk.num_features)
        self._channels_last = getattr(trunk, "output_fmt", "NCHW") == "NHWC"
        self.sealed = why
        self.refusals = {
            "vv": f"{why}, so that there is no attention between all values in each block",
            "value": f"{why}, and its pooling has no values",
        }

    def encode(
        self,
        images: Float[Tensor, "B 3 H X"],
        streams: Sequence[str],
        points: TowerPoints | None = None,
    ) -> ImageFeatures:
        """Encode images of the tower's own size."""
        self._refuse(points)
        features = self.trunk.forward_features(images)
        pooled = self._head(features)
        last = features if self._channels_last else features.movedim(1, -1)  # [B, h, w, W]
        dense = {"tokens": last.flatten(1, 2)} if streams else {}
        return ImageFeatures(pooled, dense, tuple(last.shape[1:3]))

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Send each place through the head as a map of one place."""
        places = dense.flatten(0, 1)[:, None, None, :]  # [B P, 1, 1, W]
        alone = self._head(places if self._channels_last else places.movedim(-1, 1))
        return alone.unflatten(0, dense.shape[:2])

    def _head(self, features: Tensor) -> Float[Tensor, "M E"]:
        return self.head(self.trunk.forward_head(features))
