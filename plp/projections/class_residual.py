"""A learned offset of each class's text feature (TaskRes)."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from plp.projections.base import Projection
from plp.registry import PROJECTIONS


@final
@PROJECTIONS.register_module()
class ClassResidual(Projection):
    """`t_c + scale * r_c` before normalisation: one learned vector per class, starting at zero.

    Yu et al. 2023, Task residual for tuning vision-language models, equation 4. For the texts of a
    global branch; bound to the classes it was trained with.

    Args:
        scale: Factor on the residuals (alpha); published 0.5, and 1 on Flowers.
        num_classes: C; supplied when a learner is built.
        width: E; supplied by the branch.
    """

    supports_new_classes = False

    def __init__(self, scale: float = 0.5, *, num_classes: int, width: int) -> None:
        super().__init__()
        if scale <= 0:
            raise ValueError(f"expected a scale above 0, got {scale}")
        self.scale = scale
        self.residual = nn.Parameter(torch.zeros(num_classes, width))

    def forward(self, features: Float[Tensor, "C N W"]) -> Float[Tensor, "C N W"]:
        """Move the texts of each class."""
        if features.shape[-3] != len(self.residual):
            raise ValueError(
                f"expected texts of the {len(self.residual)} classes these residuals were made "
                f"for, got {features.shape[-3]}"
            )
        return features + self.scale * self.residual[:, None]

    def extra_repr(self) -> str:
        """Show sizes and scale in the printed module."""
        return f"residual={list(self.residual.shape)}, scale={self.scale}"
