"""Towers whose patches do not live in the joint space: pooled features only."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from plp.errors import ConfigError
from plp.structures import ImageFeatures
from plp.towers.points import TowerPoints
from plp.towers.vision import VisionTower


class PooledOnly(VisionTower):
    """Reads the pooled feature and refuses every stream.

    Args:
        visual: The tower.
        why: Why it has no dense streams, as a clause.
    """

    def __init__(self, visual: Any, why: str) -> None:
        self.visual = visual
        self.why = why
        self.sealed = why
        self.refusals = dict.fromkeys(("vv", "value", "tokens"), why)

    def encode(
        self,
        images: Float[Tensor, "B 3 H X"],
        streams: Sequence[str],
        points: TowerPoints | None = None,
    ) -> ImageFeatures:
        """Encode images by the tower's own `forward`."""
        self._refuse(points)
        pooled = self.visual(images)
        if isinstance(pooled, tuple):  # towers configured with output_tokens
            pooled = pooled[0]
        return ImageFeatures(pooled, {}, (0, 0))

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Refuse: there are no dense features."""
        raise ConfigError(f"there are no dense features to project: {self.why}")
