"""Late interaction: each prompt looks at its most similar patch."""

from typing import final

import torch

from plp.aligners.base import Aligner, PairMask, Pairs, kept_pairs, upcast
from plp.registry import ALIGNERS


def max_sim_plan(similarity: Pairs, mask: PairMask = None) -> Pairs:
    """Put the mass 1/N of every prompt on its most similar patch; ties share it.

    The score is the mean over prompts of the maximum over patches (the MaxSim operator of ColBERT,
    Khattab and Zaharia, SIGIR 2020). It is transport without the row constraint at epsilon = 0: a
    patch may serve every prompt. Prompts without a patch get no mass, and do not count in N.

    Example:
        >>> import torch
        >>> max_sim_plan(torch.tensor([[0.1, 0.9], [0.5, 0.2]]))
        tensor([[0.0000, 0.5000],
                [0.5000, 0.0000]])
    """
    values = upcast(similarity).detach()
    kept = kept_pairs(values, mask)
    values = values.masked_fill(~kept, -torch.inf)
    best = (values == values.amax(-2, keepdim=True)) & kept
    best = best.to(values.dtype)
    ties = best.sum(-2, keepdim=True)  # [*batch, 1, N]
    prompts = (ties > 0).sum(-1, keepdim=True)
    return best / (ties * prompts).clamp_min(1)


@final
@ALIGNERS.register_module()
class MaxSimAligner(Aligner):
    """Each prompt's mass on its most similar patch; see `max_sim_plan`."""

    def forward(self, similarity: Pairs, mask: PairMask = None) -> Pairs:
        """Compute the plan; a constant for the gradient."""
        return max_sim_plan(similarity, mask)
