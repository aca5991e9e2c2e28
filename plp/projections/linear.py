"""A learned linear map of features."""

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
        width: W; supplied by the branch.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(width))

    def forward(self, features: Float[Tensor, "... W"]) -> Float[Tensor, "... W"]:
        """Multiply each feature by the weight [W, W]."""
        return F.linear(features, self.weight)

    def extra_repr(self) -> str:
        """Show the width in the printed module."""
        return f"width={self.weight.shape[0]}"
