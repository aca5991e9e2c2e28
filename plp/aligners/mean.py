"""The mean over the support, as a plan."""

from typing import final

from plp.aligners.base import Aligner, PairMask, Pairs, kept_pairs, upcast
from plp.registry import ALIGNERS


def mean_plan(similarity: Pairs, mask: PairMask = None) -> Pairs:
    """Give every prompt the mass 1/N and each of its k_n patches the same part of it, 1/(N k_n).

    The score is then the mean over prompts of each prompt's mean over its own support, as in GalLoP
    (Lafon et al. 2024). Prompts without a patch get no mass, and do not count in N.

    Example:
        >>> import torch
        >>> mask = torch.tensor([[True, True], [False, True]])
        >>> mean_plan(torch.rand(2, 2), mask)
        tensor([[0.5000, 0.2500],
                [0.0000, 0.2500]])
    """
    kept = kept_pairs(similarity, mask).to(upcast(similarity).dtype)
    patches = kept.sum(-2, keepdim=True)  # [*batch, 1, N]
    prompts = (patches > 0).sum(-1, keepdim=True)
    return kept / (patches * prompts).clamp_min(1)


@final
@ALIGNERS.register_module()
class MeanAligner(Aligner):
    """Equal mass on every patch of a prompt's support; see `mean_plan`.

    Without a mask this is the product of the uniform marginals, to which transport tends for large
    epsilons: the baseline that tells whether transport does anything.
    """

    def forward(self, similarity: Pairs, mask: PairMask = None) -> Pairs:
        """Compute the plan; it does not depend on the values of the similarities."""
        return mean_plan(similarity, mask)
