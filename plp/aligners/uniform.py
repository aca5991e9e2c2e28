"""The uniform distribution over the pairs that exist."""

from typing import final

from jaxtyping import Bool, Float
from torch import Tensor

from plp.aligners.base import Aligner, kept_pairs, lifted
from plp.registry import ALIGNERS


def uniform_plan(
    similarity: Float[Tensor, "*batch K N"], mask: Bool[Tensor, "*#batch K N"] | None = None
) -> Float[Tensor, "*batch K N"]:
    """Give every pair that exists the same mass.

    Differs from `mean_plan` only where supports are ragged: there a prompt with more patches weighs
    more.

    Example:
        >>> import torch
        >>> mask = torch.tensor([[True, True], [False, True]])
        >>> uniform_plan(torch.rand(2, 2), mask)
        tensor([[0.3333, 0.3333],
                [0.0000, 0.3333]])
    """
    kept = kept_pairs(similarity, mask).to(lifted(similarity).dtype)
    return kept / kept.sum((-2, -1), keepdim=True).clamp_min(1)


@final
@ALIGNERS.register_module()
class UniformAligner(Aligner):
    """Equal mass on every pair; see `uniform_plan`.

    Example:
        >>> import torch
        >>> UniformAligner()(torch.rand(2, 2))
        tensor([[0.2500, 0.2500],
                [0.2500, 0.2500]])
    """

    def forward(
        self,
        similarity: Float[Tensor, "*batch K N"],
        mask: Bool[Tensor, "*#batch K N"] | None = None,
    ) -> Float[Tensor, "*batch K N"]:
        """Compute the plan; it does not depend on the values of the similarities."""
        return uniform_plan(similarity, mask)
