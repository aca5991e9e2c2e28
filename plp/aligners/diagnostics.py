"""Does transport do anything here? Numbers about plans, and about the similarities behind them."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from plp.aligners.base import PairMask, Pairs, kept_pairs, upcast
from plp.aligners.mean import mean_plan


class PlanDiagnostics(NamedTuple):
    """What a plan does, by itself and against the mean.

    Attributes:
        entropy: -sum P log P over the log of the number of pairs: 1 for the uniform plan, 0 for all
            mass on one pair.
        distance_to_uniform: Total variation 1/2 sum |P - U|, the share of the mass that stands
            elsewhere than in the mean (`mean_plan`): 0 means that transport does nothing.
        prompt_overlap: How alike the prompts spread their mass over the patches: the mean over
            pairs of prompts of sum_k min(P_k|n, P_k|m), 1 for equal spreads, 0 for disjoint ones.
            Prompts without mass do not count; 1 where fewer than two are left.
        gain: sum (P - U) * similarity, what the plan adds to the score of the mean, in cosines.
    """

    entropy: Float[Tensor, "*batch"]
    distance_to_uniform: Float[Tensor, "*batch"]
    prompt_overlap: Float[Tensor, "*batch"]
    gain: Float[Tensor, "*batch"]


def plan_diagnostics(plan: Pairs, similarity: Pairs, mask: PairMask = None) -> PlanDiagnostics:
    """Describe plans of mass one; no gradient, no wait for the device.

    Args:
        plan: Plans of an aligner.
        similarity: The similarities they were made from.
        mask: True where a pair exists, as given to the aligner.

    Example:
        >>> import torch
        >>> from plp.aligners import MaxSimAligner
        >>> similarity = torch.tensor([[0.9, 0.1], [0.1, 0.5]])
        >>> numbers = plan_diagnostics(MaxSimAligner()(similarity), similarity)
        >>> [round(float(value), 3) for value in numbers]
        [0.5, 0.5, 0.0, 0.3]
    """
    plan, similarity = upcast(plan).detach(), upcast(similarity).detach()
    pairs = kept_pairs(similarity, mask).sum((-2, -1)).to(plan.dtype)
    difference = plan - mean_plan(similarity, mask).to(plan.dtype)
    return PlanDiagnostics(
        -torch.xlogy(plan, plan).sum((-2, -1)) / pairs.clamp_min(2).log(),
        difference.abs().sum((-2, -1)) / 2,
        _overlap(plan),
        torch.where(difference == 0, 0.0, difference * similarity).sum((-2, -1)),
    )


def interaction(similarity: Pairs) -> Float[Tensor, "*batch"]:
    """Return the standard deviation of the patch-prompt interaction of the similarities.

    Balanced transport cannot see that one patch (or prompt) is more similar to everything: such row
    and column effects are absorbed by the potentials. What is left after subtracting row and column
    means moves the plan, on the scale of epsilon: with a standard deviation well below epsilon the
    plan is close to uniform, with one well above it is close to an assignment.

    Example:
        >>> import torch
        >>> row_effect, column_effect = torch.rand(10, 1), torch.rand(1, 4)
        >>> bool(interaction(row_effect + column_effect) < 1e-6)
        True
    """
    values = upcast(similarity).detach()
    rows = values - values.mean(-1, keepdim=True)
    return (rows - rows.mean(-2, keepdim=True)).square().mean((-2, -1)).sqrt()


def _overlap(plan: Tensor) -> Tensor:
    """Mean over pairs of prompts of the mass their spreads share.

    Sorted along the prompts, the r-th smallest entry of a row is the minimum of N - r pairs.
    """
    mass = plan.sum(-2, keepdim=True)  # [*batch, 1, N]
    spreads = plan / torch.where(mass > 0, mass, 1.0)
    N = plan.shape[-1]
    pairs_won = torch.arange(N - 1, -1, -1, device=plan.device, dtype=plan.dtype)
    shared = (spreads.sort(-1).values * pairs_won).sum((-2, -1))
    prompts = (mass > 0).sum((-2, -1))
    pairs = prompts * (prompts - 1) / 2
    return torch.where(pairs > 0, shared / pairs.clamp_min(1), 1.0).to(plan.dtype)
