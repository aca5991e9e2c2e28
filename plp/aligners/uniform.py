"""The uniform distribution over the pairs that exist."""

from typing import final

from plp.aligners.base import Aligner, PairMask, Pairs, kept_pairs, upcast
from plp.registry import ALIGNERS


def uniform_plan(similarity: Pairs, mask: PairMask = None) -> Pairs:
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
    kept = kept_pairs(similarity, mask).to(upcast(similarity).dtype)
    return kept / kept.sum((-2, -1), keepdim=True).clamp_min(1)


@final
@ALIGNERS.register_module()
class UniformAligner(Aligner):
    """Equal mass on every pair; see `uniform_plan`."""

    def forward(self, similarity: Pairs, mask: PairMask = None) -> Pairs:
        """Compute the plan; it does not depend on the values of the similarities."""
        return uniform_plan(similarity, mask)
