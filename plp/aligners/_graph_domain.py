"""Sinkhorn's iterations as operations that a graph can hold: for gradients, and for tracers."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from plp.aligners._block import SolverSettings
from plp.aligners._ordered import safe_log
from plp.aligners.base import Pairs

_LOWEST = -1e30  # stands for the logarithm of zero: finite, so that no gradient is -inf - -inf


@final
class GraphDomain:
    """Log-sum-exps of problems on the leading axes; a pair that does not exist has infinite cost.

    Nothing is looked at or overwritten, and no size of the batch is in it.
    """

    def __init__(self, cost: Tensor, a: Tensor, b: Tensor, settings: SolverSettings) -> None:
        self.settings = settings
        self.kernel = -cost / settings.epsilon  # [*batch, K, N]
        self.a, self.b = a[..., :, None], b[..., None, :]
        self.log_a, self.log_b = safe_log(self.a), safe_log(self.b)
        pairs = cost < torch.inf
        stuck_a = self.a.detach().masked_fill(pairs.any(-1, keepdim=True), 0.0)
        stuck_b = self.b.detach().masked_fill(pairs.any(-2, keepdim=True), 0.0)
        self.stuck = stuck_a.sum(-2, keepdim=True) + stuck_b.sum(-1, keepdim=True)

    def tolerance(self) -> Float[Tensor, "*batch 1 1"]:
        """Tolerance, whether rounding allows it or not."""
        return torch.full_like(self.stuck, self.settings.tolerance)

    def start(self) -> Float[Tensor, "*batch 1 N"]:
        """Log T to begin with."""
        return torch.zeros_like(self.log_b)

    def rows(self, T: Float[Tensor, "*batch 1 N"]) -> Float[Tensor, "*batch K 1"]:
        """Log S for a given log T."""
        return self.settings.tau_a * _log_sum(self.kernel + (self.log_b - T), -1)

    def columns(self, S: Float[Tensor, "*batch K 1"]) -> Float[Tensor, "*batch 1 N"]:
        """Log T for a given log S."""
        return self.settings.tau_b * _log_sum(self.kernel + (self.log_a - S), -2)

    def error(self, S: Tensor, latest: Tensor) -> Float[Tensor, "*batch 1 1"]:
        """sum_i a_i |S'_i / S_i - 1|, kept finite; without gradient."""
        change = (latest - S).detach().clamp(max=80.0).expm1().abs()
        return (self.a.detach() * change).sum(-2, keepdim=True) + self.stuck

    def plan(self, S: Tensor, T: Tensor) -> Pairs:
        """Transport plan."""
        return (self.kernel + (self.log_a - S) + (self.log_b - T)).exp()


def _log_sum(exponents: Tensor, dim: int) -> Tensor:
    """Log-sum-exp that is zero, with gradient zero, where every exponent is -inf."""
    sums = exponents.clamp_min(_LOWEST).logsumexp(dim, keepdim=True)
    return sums.masked_fill(sums <= _LOWEST, 0.0)
