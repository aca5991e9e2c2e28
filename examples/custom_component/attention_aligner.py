"""A component of a user's own: an aligner that attends to patches."""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from plp.aligners import Aligner
from plp.errors import ConfigError
from plp.registry import ALIGNERS


def attention_plan(
    similarity: Float[Tensor, "*batch K N"],
    mask: Bool[Tensor, "*#batch K N"] | None = None,
    *,
    temperature: float,
) -> Float[Tensor, "*batch K N"]:
    """Give each prompt the same mass, spread over its patches by a softmax of the cosines.

    P_ij = softmax_i(S_ij / temperature) / N. Towards 0 this is max-sim, towards infinity the mean.
    Prompts without a patch get no mass, and do not count in N.

    Example:
        >>> attention_plan(torch.tensor([[0.9, 0.1], [0.1, 0.1]]), temperature=1e-3)
        tensor([[0.5000, 0.2500],
                [0.0000, 0.2500]])
    """
    half = similarity.dtype in (torch.float16, torch.bfloat16)
    scores = (similarity.float() if half else similarity) / temperature
    if mask is None:
        return scores.softmax(-2) / scores.shape[-1]
    kept = mask.expand(scores.shape)
    lowest = torch.finfo(scores.dtype).min
    weights = scores.masked_fill(~kept, lowest).softmax(-2) * kept
    prompts = kept.any(-2, keepdim=True).sum(-1, keepdim=True)
    return weights / prompts.clamp_min(1)


@final
@ALIGNERS.register_module()
class AttentionAligner(Aligner):
    """Softmax attention of each prompt over the patches; see `attention_plan`.

    Args:
        temperature: Of the softmax, in units of cosine.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        if temperature <= 0:
            raise ConfigError(f"expected a temperature above 0, got {temperature}")
        self.temperature = temperature

    def forward(
        self,
        similarity: Float[Tensor, "*batch K N"],
        mask: Bool[Tensor, "*#batch K N"] | None = None,
    ) -> Float[Tensor, "*batch K N"]:
        """Compute the plan."""
        return attention_plan(similarity, mask, temperature=self.temperature)
