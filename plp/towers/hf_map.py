"""ALIGN's image tower, an EfficientNet of the transformers library: its last feature map."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from plp.structures import ImageFeatures
from plp.towers.points import TowerPoints
from plp.towers.vision import VisionTower

_WHY = "its image tower is an EfficientNet, which has no attention"


class HFFeatureMap(VisionTower):
    """Pooled feature and last map of ALIGN's tower.

    The pooled feature is the mean (or the largest value) of the map, without a projection, so that
    a place of the map is in the joint space already.

    Args:
        vision: The vision model.
    """

    streams = ("tokens",)

    def __init__(self, vision: Any) -> None:
        self.vision = vision
        self.dense_dim = int(vision.encoder.blocks[-1].projection.project_conv.out_channels)
        self.refusals = {"vv": _WHY, "value": _WHY}
        self.sealed = _WHY

    def encode(
        self,
        images: Float[Tensor, "B 3 H X"],
        streams: Sequence[str],
        points: TowerPoints | None = None,
    ) -> ImageFeatures:
        """Encode images."""
        self._refuse(points)
        found = self.vision(pixel_values=images)
        last = found.last_hidden_state  # [B, W, h, w]
        dense = {"tokens": last.flatten(2).transpose(1, 2)} if streams else {}
        return ImageFeatures(found.pooler_output, dense, tuple(last.shape[2:]))

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Return the places as they are."""
        return dense
