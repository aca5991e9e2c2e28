"""Sinkhorn's iterations as log-sum-exps."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from plp.aligners._block import Block, BlockDomain
from plp.aligners._ordered import ordered_sum


@final
class LogDomain(BlockDomain):
    """Log-sum-exp iterations: any spread of costs, at one exponential a pair and half iteration."""

    def __init__(self, block: Block, kernel: Tensor | None = None) -> None:
        super().__init__(block, kernel)
        self.log_a, self.log_b = block.a.log(), block.b.log()

    def tolerance(self) -> Float[Tensor, "1 1 B"]:
        """Tolerance, but no less than rounding of potentials as large as the spread allows."""
        wanted, spread = self.settings.tolerance, self.block.spread
        rounding = 4 * torch.finfo(spread.dtype).eps * (1 + spread)
        return rounding.clamp_max(max(wanted, 1e-4)).clamp_min(wanted)

    def start(self) -> Float[Tensor, "1 N B"]:
        """Log T to begin with."""
        return torch.zeros_like(self.block.b)

    def rows(self, T: Float[Tensor, "1 N B"]) -> Float[Tensor, "K 1 B"]:
        """Log S for a given log T."""
        sums, largest = self._exponentials(self.log_b - T, 1)
        return sums.log_().add_(largest).mul_(self.settings.tau_a)

    def columns(self, S: Float[Tensor, "K 1 B"]) -> Float[Tensor, "1 N B"]:
        """Log T for a given log S."""
        sums, largest = self._exponentials(self.log_a - S, 0)
        return sums.log_().add_(largest).mul_(self.settings.tau_b)

    def error(self, S: Tensor, latest: Tensor) -> Float[Tensor, "1 1 B"]:
        """sum_i a_i |S'_i / S_i - 1|, kept finite."""
        change = (latest - S).clamp_(max=80.0).expm1_().abs_()
        return ordered_sum(change.mul_(self.block.a), 0) + self.stuck

    def plan(self, S: Float[Tensor, "K 1 B"], T: Float[Tensor, "1 N B"]) -> Float[Tensor, "K N B"]:
        """Transport plan, in the place of the kernel.

        Balanced columns are normalised rather than exponentiated, so that the mass stays one even
        where rounding of large potentials would not let it.
        """
        rows = self.log_a - S
        if self.settings.tau_b != 1.0:
            return self.kernel.add_(rows).add_(self.log_b - T).exp_()
        sums, largest = self._exponentials(rows, 0)
        return self.kernel.add_(rows).sub_(largest).exp_().mul_(self.block.b / sums)

    def log(self, sums: Tensor) -> Tensor:
        """Log S and log T are what this domain holds."""
        return sums

    def _exponentials(self, potentials: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        """Sums of exp(log kernel + potentials - largest) over `dim`, and the largest exponents."""
        torch.add(self.kernel, potentials, out=self.terms)
        largest = self.terms.amax(dim, keepdim=True)
        largest = torch.where(largest == -torch.inf, 0.0, largest)
        self.terms.sub_(largest).exp_()
        return self.sums[dim]().clamp_min_(torch.finfo(largest.dtype).tiny), largest
