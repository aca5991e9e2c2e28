"""A learned linear map of patch features."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from plp.projections.base import Projection
from plp.registry import PROJECTIONS


@final
@PROJECTIONS.register_module()
class LinearProjection(Projection):
    """Linear map without bias that starts as the identity (GalLoP, Lafon et al. 2024).

    Weight decay pulls it towards zero, not towards the identity, as in the published code.

    Args:
        dense_dim: W; supplied when a learner is built.
    """

    def __init__(self, dense_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(dense_dim))

    def forward(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P W"]:
        """Multiply each patch feature by the weight [W, W]."""
        return F.linear(dense, self.weight)

    def extra_repr(self) -> str:
        """Show the width in the printed module."""
        return f"dense_dim={self.weight.shape[0]}"
