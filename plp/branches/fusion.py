"""Several lines of evidence as one."""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from plp.structures import Evidence

Fusion = Literal["mean", "sum"]


def fused_scores(evidence: Mapping[str, Evidence], fusion: Fusion = "mean") -> Float[Tensor, "B C"]:
    """Return the class scores that a learner predicts from: mean or sum of the branches' scores."""
    scores = torch.stack([found.scores for found in evidence.values()])
    return scores.mean(0) if fusion == "mean" else scores.sum(0)
