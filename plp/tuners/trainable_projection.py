"""The image tower's joint projection, learned near its start (ProLIP)."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from plp.backbones.base import Backbone
from plp.checks import check_number
from plp.errors import ConfigError
from plp.registry import TUNERS
from plp.structures import ImageFeatures
from plp.towers.parts import listed
from plp.towers.points import TowerPoints
from plp.tuners.base import Tuner

NAME = "projection"


@final
@TUNERS.register_module()
class TrainableProjection(Tuner):
    """A copy W of the matrix that maps what an image tower pools into the joint space, learned.

    Fahes et al. 2024, CLIP's visual embedding projector is a few-shot cornucopia (ProLIP). Adds to
    the loss

        penalty * |W - W_0|^2 (Frobenius),

    W_0 the tower's own matrix, where W starts. The tower in front of it stays as it is, so that an
    image has to go through it only once. A bias, where there is one, stays.

    On a backbone whose image features are in the joint space without a projection
    (`Backbone.unprojected`), W_0 is the identity and W acts on the pooled feature.

    Patches of local branches go through the tower's own projection.

    Args:
        penalty: Factor on the squared distance from the start; ProLIP takes 1 / K for K shots per
            class.
        backbone: Supplied when a learner is built.

    Raises:
        ConfigError: for a penalty below 0, or an image tower without a joint projection that is one
            matrix.
    """

    start: Tensor  # [E, W]; a buffer

    def __init__(self, penalty: float = 1.0, *, backbone: Backbone) -> None:
        super().__init__()
        check_number("penalty", penalty)
        self.penalty = penalty
        self.acts_on_features = backbone.unprojected
        self.acts_on_images = not backbone.unprojected
        start = torch.eye(backbone.embed_dim) if backbone.unprojected else _projection(backbone)
        self.register_buffer("start", start, persistent=False)
        self.weight = nn.Parameter(start.clone())

    def image_points(self) -> TowerPoints:
        """Put the learned matrix in the place of the tower's."""
        return TowerPoints(weights={f"{NAME}.weight": self.weight})

    def on_features(self, features: ImageFeatures) -> ImageFeatures:
        """Map the pooled feature."""
        with torch.autocast(features.pooled.device.type, enabled=False):
            pooled = F.linear(features.pooled.to(self.weight.dtype), self.weight)
        return features._replace(pooled=pooled)

    def loss(self) -> Float[Tensor, ""] | None:
        """Return the penalty."""
        return self.penalty * (self.weight - self.start).square().sum() if self.penalty else None

    def extra_repr(self) -> str:
        """Show shape and penalty in the printed module."""
        return f"weight={list(self.weight.shape)}, penalty={self.penalty}"


def _projection(backbone: Backbone) -> Float[Tensor, "E W"]:
    """Return a copy of the image tower's joint projection, as [out, in]."""
    try:
        matrices = backbone.inside("image").matrices()
    except ConfigError as error:
        raise ConfigError(
            f"TrainableProjection learns the joint projection of an image tower: {error}"
        ) from None
    matrix = matrices.get(NAME)
    if matrix is None:
        raise ConfigError(
            "TrainableProjection learns the one matrix that maps what an image tower pools into "
            f"the joint space; the image tower of {type(backbone).__name__} has no such matrix. "
            f"It has: {listed(matrices)}. Vision transformers of CLIP, EVA and MetaCLIP have one"
        )
    weight: Tensor = getattr(matrix.module, matrix.weight).detach().float()
    return (weight.T if matrix.transposed else weight).contiguous().clone()
