"""Several lines of evidence as one."""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from plp.structures import Evidence

Fusion = Literal["mean", "sum"]


def fused_logits(
    evidence: Mapping[str, Evidence],
    fusion: Fusion,
    scale: Float[Tensor, ""] | float,
    bias: Float[Tensor, ""] | float | None = None,
) -> Float[Tensor, "B C"]:
    """Return the logits that a learner predicts from: the branches' logits, fused as their scores.

    A branch's logits are scale * scores + bias, in the mean as in the sum: a sum has the bias of
    each branch.

    Args:
        evidence: By branch.
        fusion: 'mean' or 'sum'.
        scale: Factor on cosines.
        bias: Of a model trained with a sigmoid loss; None for others.
    """
    logits = scale * fused_scores(evidence, fusion)
    if bias is None:
        return logits
    return logits + (bias if fusion == "mean" else len(evidence) * bias)


def fused_scores(evidence: Mapping[str, Evidence], fusion: Fusion = "mean") -> Float[Tensor, "B C"]:
    """Return the class scores that a learner predicts from: mean or sum of the branches' scores."""
    scores = torch.stack([found.scores for found in evidence.values()])
    return scores.mean(0) if fusion == "mean" else scores.sum(0)
