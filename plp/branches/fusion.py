"""Several lines of evidence as one."""

from collections.abc import Collection, Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from plp.checks import check_number
from plp.errors import ConfigError
from plp.structures import Evidence

Fusion = Literal["mean", "sum"] | Mapping[str, float]


def checked_fusion(fusion: Any, branches: Collection[str]) -> Fusion:
    """Return how a learner's branches are fused, weights as a plain dict of floats.

    Args:
        fusion: 'mean', 'sum', or the weight of each branch by name in a weighted mean.
        branches: Names of the branches.

    Raises:
        ConfigError: for anything else, and for weights of other branches, below 0 or all 0.
    """
    if fusion in ("mean", "sum"):
        return fusion
    if not isinstance(fusion, Mapping):
        raise ConfigError(
            "expected fusion 'mean' or 'sum', or weights by branch such as "
            f"dict({', '.join(f'{name}=1.0' for name in branches)}), got {fusion!r}"
        )
    if set(fusion) != set(branches):
        raise ConfigError(
            f"expected a fusion weight for each branch ({', '.join(branches)}), got weights for "
            f"{', '.join(map(str, fusion)) or 'none'}"
        )
    for name, weight in fusion.items():
        check_number(f"the fusion weight of {name!r}", weight)
    if not any(fusion.values()):
        raise ConfigError("expected a fusion weight above 0, got 0 for every branch")
    return {name: float(weight) for name, weight in fusion.items()}


def fused_logits(
    evidence: Mapping[str, Evidence],
    fusion: Fusion,
    scale: Float[Tensor, ""] | float,
    bias: Float[Tensor, ""] | float | None = None,
) -> Float[Tensor, "B C"]:
    """Return the logits that a learner predicts from: the branches' logits, fused as their scores.

    A branch's logits are scale * scores + bias, in a mean as in the sum: a sum has the bias of
    each branch.

    Args:
        evidence: By branch.
        fusion: As in `fused_scores`.
        scale: Factor on cosines.
        bias: Of a model trained with a sigmoid loss; None for others.
    """
    logits = scale * fused_scores(evidence, fusion)
    if bias is None:
        return logits
    return logits + (len(evidence) * bias if fusion == "sum" else bias)


def fused_scores(evidence: Mapping[str, Evidence], fusion: Fusion = "mean") -> Float[Tensor, "B C"]:
    """Return the class scores that a learner predicts from.

    Of a class that some branches do not speak for (`Evidence.speaks_for`), the mean is that of the
    others; a sum is their mean times the number of all branches, so that classes stay comparable.

    Args:
        evidence: By branch.
        fusion: 'mean' or 'sum' of the scores, or weights of a weighted mean by branch.
    """
    scores = torch.stack([found.scores for found in evidence.values()])
    weights = _weights(evidence, fusion, scores)
    if weights is None:
        return scores.sum(0) if fusion == "sum" else scores.mean(0)
    mean = (weights[:, None] * scores).sum(0) / weights.sum(0)
    return mean * len(evidence) if fusion == "sum" else mean


def _weights(
    evidence: Mapping[str, Evidence], fusion: Fusion, scores: Float[Tensor, "R B C"]
) -> Float[Tensor, "R _"] | None:
    """Return the weight of each branch, for each class if need be; None where all are alike."""
    silent = all(found.speaks_for is None for found in evidence.values())
    if isinstance(fusion, str):
        if silent:
            return None
        weights = scores.new_ones(len(evidence), 1)
    else:  # a reference, which has no weight, stands alone
        weights = scores.new_tensor([fusion.get(name, 1.0) for name in evidence])[:, None]
    if silent:
        return weights
    everything = torch.ones(scores.shape[-1], dtype=torch.bool, device=scores.device)
    spoken = [everything if e.speaks_for is None else e.speaks_for for e in evidence.values()]
    known = weights * torch.stack(spoken)
    return torch.where(known.sum(0) > 0, known, weights)  # nobody speaks for it: as if all did
