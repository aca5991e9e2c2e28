"""Sinkhorn's iterations as plain matrix scaling."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from plp.aligners._block import Block, BlockDomain, is_large
from plp.aligners._ordered import ordered_sum


@final
class ScalingDomain(BlockDomain):
    """Plain matrix scaling: one exponential a pair in all, then multiplications and sums.

    Exact in float32 while (max C - min C) / epsilon stays below about 30: every entry of the kernel
    lies in [exp(-30), 1], every scaling within exp(+-60), and all sums are of positive terms.
    """

    @staticmethod
    def _make_kernel(block: Block) -> Tensor:
        return BlockDomain._make_kernel(block).exp_()

    def tolerance(self) -> Float[Tensor, "1 1 B"]:
        """Tolerance, but no less than rounding allows: all terms are positive, errors relative."""
        wanted, spread = self.settings.tolerance, self.block.spread
        return torch.full_like(spread, max(wanted, 4 * torch.finfo(spread.dtype).eps))

    def start(self) -> Float[Tensor, "1 N B"]:
        """T to begin with."""
        return torch.ones_like(self.block.b)

    def rows(self, T: Float[Tensor, "1 N B"]) -> Float[Tensor, "K 1 B"]:
        """S for a given T."""
        return _power(self._contract(self.block.b / T, 1), self.settings.tau_a)

    def columns(self, S: Float[Tensor, "K 1 B"]) -> Float[Tensor, "1 N B"]:
        """T for a given S."""
        return _power(self._contract(self.block.a / S, 0), self.settings.tau_b)

    def error(self, S: Tensor, latest: Tensor) -> Float[Tensor, "1 1 B"]:
        """sum_i a_i |S'_i / S_i - 1|: of balanced transport, the L1 error of the row marginals."""
        a = self.block.a
        return ordered_sum((a / S).mul_(latest).sub_(a).abs_(), 0) + self.stuck

    def plan(self, S: Float[Tensor, "K 1 B"], T: Float[Tensor, "1 N B"]) -> Float[Tensor, "K N B"]:
        """Transport plan, in the place of the kernel."""
        return self.kernel.mul_(self.block.a / S).mul_(self.block.b / T)

    def log(self, sums: Tensor) -> Tensor:
        """Logarithm of S or T."""
        return sums.log()

    def _contract(self, weights: Tensor, dim: int) -> Tensor:
        if is_large(*self.kernel.shape[:2]):  # then it is alone
            matrix = self.kernel[..., 0]
            product = (matrix if dim == 1 else matrix.T) @ weights.view(-1)
            sums = product.view(1, -1, 1) if dim == 0 else product.view(-1, 1, 1)
        else:
            torch.mul(self.kernel, weights, out=self.terms)
            sums = self.sums[dim]()
        return sums if self.block.exists is None else sums.clamp_min_(torch.finfo(sums.dtype).tiny)


def _power(sums: Tensor, tau: float) -> Tensor:
    """Raise to tau, without `pow`: its last bit depends on where in memory a number stands."""
    return sums if tau == 1.0 else sums.log_().mul_(tau).exp_()
