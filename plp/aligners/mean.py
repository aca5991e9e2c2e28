"""The mean over the support, as a plan."""

from typing import final

from jaxtyping import Bool, Float
from torch import Tensor

from plp.aligners.base import Aligner, kept_pairs, lifted
from plp.registry import ALIGNERS


def mean_plan(
    similarity: Float[Tensor, "*batch K N"], mask: Bool[Tensor, "*#batch K N"] | None = None
) -> Float[Tensor, "*batch K N"]:
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
    kept = kept_pairs(similarity, mask).to(lifted(similarity).dtype)
    patches = kept.sum(-2, keepdim=True)  # [*batch, 1, N]
    prompts = (patches > 0).sum(-1, keepdim=True)
    return kept / (patches * prompts).clamp_min(1)


@final
@ALIGNERS.register_module()
class MeanAligner(Aligner):
    """Equal mass on every patch of a prompt's support; see `mean_plan`.

    Without a mask this is the product of the uniform marginals, to which transport tends for large
    epsilons: the baseline that tells whether transport does anything.

    Example:
        >>> import torch
        >>> MeanAligner()(torch.rand(2, 2))
        tensor([[0.2500, 0.2500],
                [0.2500, 0.2500]])
    """

    def forward(
        self,
        similarity: Float[Tensor, "*batch K N"],
        mask: Bool[Tensor, "*#batch K N"] | None = None,
    ) -> Float[Tensor, "*batch K N"]:
        """Compute the plan; it does not depend on the values of the similarities."""
        return mean_plan(similarity, mask)
