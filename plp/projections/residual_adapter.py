"""A bottleneck network mixed with its input (CLIP-Adapter)."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from plp.projections.base import Projection
from plp.registry import PROJECTIONS


@final
@PROJECTIONS.register_module()
class ResidualAdapter(Projection):
    """`ratio * A(x) + (1 - ratio) * x`, with A a network of two layers without biases.

    A(x) = ReLU(W2 ReLU(W1 x)), W1 [W / reduction, W], W2 [W, W / reduction] (Gao et al. 2021,
    CLIP-Adapter, equations 4 to 6). The last ReLU makes A(x) non-negative.

    Args:
        reduction: Width over hidden width; published 4.
        ratio: Share of the new features; published 0.2 on most datasets.
        width: W; supplied by the branch.
    """

    def __init__(self, reduction: int = 4, ratio: float = 0.2, *, width: int) -> None:
        super().__init__()
        if not 1 <= reduction <= width:
            raise ValueError(f"expected a reduction from 1 to {width}, got {reduction}")
        if not 0 <= ratio <= 1:
            raise ValueError(f"expected a ratio from 0 to 1, got {ratio}")
        self.ratio = ratio
        self.adapter = nn.Sequential(
            nn.Linear(width, width // reduction, bias=False),
            nn.ReLU(),
            nn.Linear(width // reduction, width, bias=False),
            nn.ReLU(),
        )

    def forward(self, features: Float[Tensor, "... W"]) -> Float[Tensor, "... W"]:
        """Adapt each feature."""
        return self.ratio * self.adapter(features) + (1 - self.ratio) * features

    def extra_repr(self) -> str:
        """Show the ratio in the printed module."""
        return f"ratio={self.ratio}"
