"""Two ways to hold the same Sinkhorn iterations: plain scalings, and logarithms.

With the kernel G_ij = exp(-(C_ij - shift) / epsilon), both look for S and T with

    S_i = (sum_j G_ij b_j / T_j) ** tau_a,    T_j = (sum_i G_ij a_i / S_i) ** tau_b;

the plan is (a_i / S_i) G_ij (b_j / T_j). Balanced transport has tau = 1; marginals relaxed by
rho * KL have tau = rho / (rho + epsilon) (Chizat et al. 2018, section 3). `LogDomain` holds log S
and log T instead.

A block keeps its problems on the *last* axis: K and N are small in prompt learning and B is large,
so this axis is the one to vectorise over. A pair that does not exist has infinite cost.
"""

from copy import copy
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plp.aligners._ordered import OrderedSum, ordered_sum

# Problems with more pairs are solved one by one: alone they fill a core's cache.
LARGEST_SHARED = 1 << 14


class SolverSettings(NamedTuple):
    """How to solve a block.

    Attributes:
        epsilon: Entropic regularisation.
        tau_a: Exponent of the row update; 1 keeps the row marginals.
        tau_b: Exponent of the column update.
        tolerance: Error at which a problem stops.
    """

    epsilon: float
    tau_a: float
    tau_b: float
    tolerance: float


class Block(NamedTuple):
    """Problems to solve, and how.

    Attributes:
        cost: Finite, or +inf where a pair does not exist; overwritten by the domain.
        a: Row marginals.
        b: Column marginals.
        shift: Subtracted from the cost before exponentiation.
        spread: Largest distance of a finite cost from the shift, in units of epsilon.
        exists: Which columns (index 0) and rows (index 1) hold a pair; None if all pairs exist.
        settings: How to solve them.
    """

    cost: Float[Tensor, "K N B"]
    a: Float[Tensor, "K 1 B"]
    b: Float[Tensor, "1 N B"]
    shift: Float[Tensor, "1 1 B"]
    spread: Float[Tensor, "1 1 B"]
    exists: tuple[Bool[Tensor, "1 N B"], Bool[Tensor, "K 1 B"]] | None
    settings: SolverSettings

    def take(self, chosen: Int[Tensor, " b"]) -> "Block":
        """Return some of the problems."""
        cost, a, b, shift, spread = (tensor[..., chosen] for tensor in self[:5])
        exists = self.exists
        if exists is not None:
            exists = exists[0][..., chosen], exists[1][..., chosen]
        return Block(cost, a, b, shift, spread, exists, self.settings)


def is_large(K: int, N: int) -> bool:
    """Whether a problem is solved alone; must not depend on how many there are."""
    return K * N > LARGEST_SHARED


class _DomainBase:
    """What both domains share: the block, a kernel, and a buffer for terms to be summed."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.kernel = self._make_kernel(block)
        self._prepare()

    @staticmethod
    def _make_kernel(block: Block) -> Tensor:
        """Log kernel, in the place of the cost."""
        return torch.sub(block.shift, block.cost, out=block.cost).div_(block.settings.epsilon)

    def _prepare(self) -> None:
        self.terms = torch.empty_like(self.kernel)
        self.sums = [OrderedSum(self.terms, dim) for dim in (0, 1)]
        self.stuck = self._stuck_mass()

    def take(self, chosen: Int[Tensor, " b"]) -> Any:
        """Return some of the problems."""
        part = copy(self)
        part.block, part.kernel = self.block.take(chosen), self.kernel[..., chosen]
        part._prepare()
        return part

    def sum(self, values: Float[Tensor, "K N B"], dim: int) -> Float[Tensor, "K_ N_ B"]:
        """Sum over `dim`, which is kept, in a fixed order."""
        self.terms.copy_(values)
        return self.sums[dim]()

    def _stuck_mass(self) -> Tensor | float:
        """Mass that the marginals put where there is no pair to carry it."""
        if self.block.exists is None:
            return 0.0
        columns, rows = self.block.exists
        stuck = torch.where(rows, 0.0, self.block.a), torch.where(columns, 0.0, self.block.b)
        return ordered_sum(stuck[0], 0) + ordered_sum(stuck[1], 1)


@final
class ScalingDomain(_DomainBase):
    """Plain matrix scaling: one exponential a pair in all, then multiplications and sums.

    Exact in float32 while (max C - min C) / epsilon stays below about 30: every entry of the kernel
    lies in [exp(-30), 1], every scaling within exp(+-60), and all sums are of positive terms.
    """

    @staticmethod
    def _make_kernel(block: Block) -> Tensor:
        return _DomainBase._make_kernel(block).exp_()

    def tolerance(self) -> Float[Tensor, "1 1 B"]:
        """Tolerance, but no less than rounding allows: all terms are positive, errors relative."""
        wanted, spread = self.block.settings.tolerance, self.block.spread
        return torch.full_like(spread, max(wanted, 4 * torch.finfo(spread.dtype).eps))

    def start(self) -> Float[Tensor, "1 N B"]:
        """T to begin with."""
        return torch.ones_like(self.block.b)

    def rows(self, T: Float[Tensor, "1 N B"]) -> Float[Tensor, "K 1 B"]:
        """S for a given T."""
        return _power(self._contract(self.block.b / T, 1), self.block.settings.tau_a)

    def columns(self, S: Float[Tensor, "K 1 B"]) -> Float[Tensor, "1 N B"]:
        """T for a given S."""
        return _power(self._contract(self.block.a / S, 0), self.block.settings.tau_b)

    def error(
        self, S: Float[Tensor, "K 1 B"], latest: Float[Tensor, "K 1 B"]
    ) -> Float[Tensor, "1 1 B"]:
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


@final
class LogDomain(_DomainBase):
    """Log-sum-exp iterations: any spread of costs, at one exponential a pair and half iteration."""

    def _prepare(self) -> None:
        super()._prepare()
        self.log_a, self.log_b = self.block.a.log(), self.block.b.log()

    def tolerance(self) -> Float[Tensor, "1 1 B"]:
        """Tolerance, but no less than rounding of potentials as large as the spread allows."""
        wanted, spread = self.block.settings.tolerance, self.block.spread
        rounding = 4 * torch.finfo(spread.dtype).eps * (1 + spread)
        return rounding.clamp_max(max(wanted, 1e-4)).clamp_min(wanted)

    def start(self) -> Float[Tensor, "1 N B"]:
        """Log T to begin with."""
        return torch.zeros_like(self.block.b)

    def rows(self, T: Float[Tensor, "1 N B"]) -> Float[Tensor, "K 1 B"]:
        """Log S for a given log T."""
        sums, largest = self._exponentials(self.log_b - T, 1)
        return sums.log_().add_(largest).mul_(self.block.settings.tau_a)

    def columns(self, S: Float[Tensor, "K 1 B"]) -> Float[Tensor, "1 N B"]:
        """Log T for a given log S."""
        sums, largest = self._exponentials(self.log_a - S, 0)
        return sums.log_().add_(largest).mul_(self.block.settings.tau_b)

    def error(
        self, S: Float[Tensor, "K 1 B"], latest: Float[Tensor, "K 1 B"]
    ) -> Float[Tensor, "1 1 B"]:
        """sum_i a_i |S'_i / S_i - 1|, kept finite."""
        change = (latest - S).clamp_(max=80.0).expm1_().abs_()
        return ordered_sum(change.mul_(self.block.a), 0) + self.stuck

    def plan(self, S: Float[Tensor, "K 1 B"], T: Float[Tensor, "1 N B"]) -> Float[Tensor, "K N B"]:
        """Transport plan, in the place of the kernel.

        Balanced columns are normalised rather than exponentiated, so that the mass stays one even
        where rounding of large potentials would not let it.
        """
        rows = self.log_a - S
        if self.block.settings.tau_b != 1.0:
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


Domain = ScalingDomain | LogDomain
