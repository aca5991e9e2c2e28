"""Aligners that each break a law of the contract, to see that the suite notices."""

import torch
from torch import Tensor

from plp.aligners import Aligner, SinkhornAligner, mean_plan, sinkhorn


class Broken(Aligner):
    """Balanced transport, to be spoilt."""

    def __init__(self) -> None:
        super().__init__()
        self.right = SinkhornAligner()

    def forward(self, similarity: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.right(similarity, mask)


class Unnormalised(Broken):
    """Forgets the prompts' 1/N, as a sum over patches and prompts of a mean would."""

    def forward(self, similarity, mask=None):
        return self.right(similarity, mask) * (1 + similarity.shape[-1])


class Negative(Broken):
    """Extrapolates beyond the simplex: mass one, entries below zero."""

    def forward(self, similarity, mask=None):
        plan = self.right(similarity, mask)
        return 3 * plan - 2 * mean_plan(similarity, mask).to(plan.dtype)


class IgnoresMask(Broken):
    """Spreads mass over pairs that do not exist."""

    def forward(self, similarity, mask=None):
        return self.right(similarity)


class MasksAfterwards(Broken):
    """Solves the whole problem, then cuts the mask out and normalises."""

    def forward(self, similarity, mask=None):
        plan = self.right(similarity)
        if mask is None:
            return plan
        plan = plan * mask
        return plan / plan.sum((-2, -1), keepdim=True)


class StopsOnTheBatchMean(Broken):
    """Stops all problems when the mean error of the batch is small, as the published code does."""

    def forward(self, similarity, mask=None):
        for iterations in range(1, 100):
            result = sinkhorn(1 - similarity, epsilon=0.1, max_iterations=iterations)
            if not len(similarity) or result.row_error.mean() < 1e-2:
                break
        return result.plan


class OneBatchAxisOnly(Broken):
    """Names its axes."""

    def forward(self, similarity, mask=None):
        _B, _K, _N = similarity.shape
        return self.right(similarity, mask)


class LikesTheFirstPatch(Broken):
    """Depends on the order of the patches."""

    def forward(self, similarity, mask=None):
        K, N = similarity.shape[-2:]
        bias = torch.arange(K).view(K, 1) * torch.arange(N)  # with the first prompt it cancels
        return self.right(similarity + 0.1 * bias.to(similarity), mask)


class Noisy(Broken):
    """Never the same twice."""

    def forward(self, similarity, mask=None):
        return self.right(similarity + 0.1 * torch.rand_like(similarity), mask)


class InPlace(Broken):
    """Overwrites what it was given."""

    def forward(self, similarity, mask=None):
        return self.right(similarity.detach().clamp_(min=0), mask)


class RoundsToHalf(Broken):
    """Works in bfloat16."""

    def forward(self, similarity, mask=None):
        return self.right(similarity.bfloat16(), mask).to(similarity.dtype)


class ScalesUnderAutocast(Broken):
    """Matrix scaling with matrix products, which autocast rounds to bfloat16."""

    def forward(self, similarity, mask=None):
        kernel = (similarity / 0.5).exp()
        q = torch.ones_like(kernel[..., :1, :])
        for _ in range(50):
            p = 1 / (kernel @ q.mT)
            q = 1 / (p.mT @ kernel)
        plan = (p * kernel * q).float()
        return plan / plan.sum((-2, -1), keepdim=True)


class Overflows(Broken):
    """Exponentiates without a care for the range of floating point."""

    def forward(self, similarity, mask=None):
        weights = (similarity / 0.1).exp()
        return weights / weights.sum((-2, -1), keepdim=True)


class InfiniteGradient(Broken):
    """A square root of what may be zero."""

    def forward(self, similarity, mask=None):
        return self.right(similarity, mask) + 0 * similarity.abs().sqrt()


BROKEN = [
    (Unnormalised, "plans are non-negative, finite, of mass one"),
    (Negative, "plans are non-negative, finite, of mass one"),
    (IgnoresMask, "no mass where there is no pair"),
    (MasksAfterwards, "a mask makes a smaller problem"),
    (StopsOnTheBatchMean, "a problem does not see its neighbours"),
    (OneBatchAxisOnly, "any leading axes"),
    (LikesTheFirstPatch, "patches and prompts have no order"),
    (Noisy, "the same twice, inputs untouched"),
    (InPlace, "the same twice, inputs untouched"),
    (RoundsToHalf, "precision is kept"),
    (ScalesUnderAutocast, "autocast changes nothing"),
    (Overflows, "large values do no harm"),
    (InfiniteGradient, "gradients are finite"),
]
