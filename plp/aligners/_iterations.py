"""Sinkhorn's iterations on a block of problems, in the log domain and with scalings.

A block holds its problems on the *last* axis: costs are [K, N, B], potentials [K, B] and [N, B].
K and N are small in prompt learning and B is large, so this axis is the one to vectorise over.

Both domains run the same loop on the same problem: find p, q such that

    P_ij = a_i p_i exp(-(C_ij - shift) / epsilon) q_j b_j,  p = s(q) ** -tau_a,  q = s(p) ** -tau_b,

where s(q)_i = sum_j exp(..) b_j q_j. Balanced transport has tau = 1; marginals relaxed by rho * KL
have tau = rho / (rho + epsilon) (Chizat et al. 2018, section 3). The log domain holds log p, log q.

Nothing here depends on what else is in the block: sums run in a fixed order, and a problem that has
converged is frozen. A pair that does not exist has infinite cost.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Problems with more pairs are solved one by one: alone they fill a core's cache.
LARGEST_SHARED = 1 << 14


class Block(NamedTuple):
    """Problems to solve, and how.

    Attributes:
        cost: Finite, or +inf where a pair does not exist.
        a: Row marginals.
        b: Column marginals.
        shift: Subtracted from the cost before exponentiation.
        tolerance: Stop when the row scalings change by less (see `run`).
        epsilon: Entropic regularisation.
        tau_a: Exponent of the row update; 1 keeps the row marginals.
        tau_b: Exponent of the column update.
    """

    cost: Float[Tensor, "K N B"]
    a: Float[Tensor, "K B"]
    b: Float[Tensor, "N B"]
    shift: Float[Tensor, " B"]
    tolerance: Float[Tensor, " B"]
    epsilon: float
    tau_a: float
    tau_b: float


class Solution(NamedTuple):
    """Plan and potentials of a block; `f` and `g` are in units of the cost."""

    plan: Float[Tensor, "K N B"]
    f: Float[Tensor, "K B"]
    g: Float[Tensor, "N B"]
    iterations: Int[Tensor, " B"]
    converged: Bool[Tensor, " B"]


def is_large(K: int, N: int) -> bool:
    """Whether a problem is solved alone; must not depend on how many there are."""
    return K * N > LARGEST_SHARED


def ordered_sum(terms: Tensor, dim: int) -> Tensor:
    """Sum over `dim` by halving, in an order that depends on the length of `dim` alone.

    `Tensor.sum` adds in an order that depends on the other axes too, so the same problem would
    differ in its last bits from batch to batch. Overwrites `terms`.
    """
    length = terms.shape[dim]
    while length > 1:
        half = length // 2
        terms.narrow(dim, 0, half).add_(terms.narrow(dim, length - half, half))
        length -= half
    return terms.select(dim, 0)


def of_mass_one(plan: Float[Tensor, "*batch K N"]) -> Float[Tensor, "*batch K N"]:
    """Divide a plan by its mass; a plan without mass stays zero."""
    mass = ordered_sum(plan.flatten(-2).clone(), -1)[..., None, None]
    return plan / torch.where(mass > 0, mass, 1.0)


class ScalingDomain:
    """Plain matrix scaling: one exponential a pair in all, then multiplications and sums.

    Exact in float32 while (max C - min C) / epsilon stays below about 30: every entry of the kernel
    lies in [exp(-30), 1], every scaling within exp(+-60), and all sums are of positive terms.
    """

    def __init__(self, block: Block) -> None:
        self.block = block
        self.kernel = ((block.shift - block.cost) / block.epsilon).exp_()  # [K, N, B]
        self.tiny = torch.finfo(self.kernel.dtype).tiny
        self.large = is_large(*self.kernel.shape[:2])  # then it comes alone

    @staticmethod
    def reachable(tolerance: float, spread: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Tolerance, but no less than rounding allows: all terms are positive, errors relative."""
        return torch.full_like(spread, max(tolerance, 4 * torch.finfo(spread.dtype).eps))

    def start(self) -> Float[Tensor, "N B"]:
        """Column scalings to begin with."""
        return torch.ones_like(self.block.b)

    def rows(self, q: Float[Tensor, "N B"]) -> Float[Tensor, "K B"]:
        """Row scalings that meet the row condition given column scalings."""
        sums = self._contract(self.block.b * q, dim=1)
        return _power(sums, self.block.tau_a)

    def columns(self, p: Float[Tensor, "K B"]) -> Float[Tensor, "N B"]:
        """Column scalings that meet the column condition given row scalings."""
        sums = self._contract(self.block.a * p, dim=0)
        return _power(sums, self.block.tau_b)

    def ratio(self, old: Tensor, new: Tensor) -> Tensor:
        """Relative change of a scaling, old / new - 1."""
        return (old / new).sub_(1)

    def plan(self, p: Float[Tensor, "K B"], q: Float[Tensor, "N B"]) -> Float[Tensor, "K N B"]:
        """Transport plan of a pair of scalings."""
        return self.kernel * (self.block.a * p)[:, None] * (self.block.b * q)[None]

    def logarithm(self, scaling: Tensor) -> Tensor:
        """Potential in units of epsilon."""
        return scaling.log()

    def _contract(self, weights: Tensor, dim: int) -> Tensor:
        if self.large:
            matrix = self.kernel[..., 0] if dim == 1 else self.kernel[..., 0].T
            sums = (matrix @ weights[:, 0])[:, None]
        else:
            sums = ordered_sum(self.kernel * weights.unsqueeze(1 - dim), dim)
        return sums.clamp_min(self.tiny)  # rows without any pair


class LogDomain:
    """Log-sum-exp iterations: any spread of costs, at one exponential a pair and half iteration."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.log_kernel = (block.shift - block.cost) / block.epsilon  # [K, N, B]
        self.log_a, self.log_b = block.a.log(), block.b.log()
        self.tiny = torch.finfo(self.log_kernel.dtype).tiny

    @staticmethod
    def reachable(tolerance: float, spread: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Tolerance, but no less than rounding of potentials as large as the spread allows."""
        rounding = 4 * torch.finfo(spread.dtype).eps * (1 + spread)
        return rounding.clamp_max(max(tolerance, 1e-4)).clamp_min(tolerance)

    def start(self) -> Float[Tensor, "N B"]:
        """Column potentials to begin with."""
        return torch.zeros_like(self.block.b)

    def rows(self, v: Float[Tensor, "N B"]) -> Float[Tensor, "K B"]:
        """Row potentials that meet the row condition given column potentials."""
        return -self.block.tau_a * self._log_sum(self.log_kernel + (self.log_b + v)[None], dim=1)

    def columns(self, u: Float[Tensor, "K B"]) -> Float[Tensor, "N B"]:
        """Column potentials that meet the column condition given row potentials."""
        return -self.block.tau_b * self._log_sum(self.log_kernel + (self.log_a + u)[:, None], dim=0)

    def ratio(self, old: Tensor, new: Tensor) -> Tensor:
        """Relative change of a scaling, exp(old - new) - 1, kept finite."""
        return (old - new).clamp_(max=80.0).expm1_()

    def plan(self, u: Float[Tensor, "K B"], v: Float[Tensor, "N B"]) -> Float[Tensor, "K N B"]:
        """Transport plan of a pair of potentials.

        Balanced columns are normalised rather than exponentiated, so that the mass stays one even
        where rounding of large potentials would not let it.
        """
        exponents = self.log_kernel + (self.log_a + u)[:, None]
        if self.block.tau_b != 1.0:
            return exponents.add_((self.log_b + v)[None]).exp_()
        terms = exponents.sub_(_finite(exponents.amax(0))[None]).exp_()
        sums = ordered_sum(terms.clone(), 0).clamp_min_(self.tiny)
        return terms.mul_((self.block.b / sums)[None])

    def logarithm(self, potential: Tensor) -> Tensor:
        """Potential in units of epsilon."""
        return potential

    def _log_sum(self, exponents: Tensor, dim: int) -> Tensor:
        largest = _finite(exponents.amax(dim))
        terms = exponents.sub_(largest.unsqueeze(dim)).exp_()
        return ordered_sum(terms, dim).clamp_min(self.tiny).log_().add_(largest)


def run(
    block: Block, domain: ScalingDomain | LogDomain, max_iterations: int, stop_early: bool
) -> Solution:
    """Iterate until every problem's row scalings change by less than its tolerance.

    The measure is sum_i a_i |p_i / p_i' - 1|, which for balanced transport is the L1 error of the
    row marginals. The columns are exact after every iteration.

    Args:
        block: The problems.
        domain: The same problems, ready to iterate.
        max_iterations: Most iterations.
        stop_early: Leave the loop once all have converged. Changes no number, but reads a value,
            which on an accelerator would wait for it.
    """
    p = domain.rows(domain.start())
    q = domain.columns(p)
    active = torch.ones_like(block.shift, dtype=torch.bool)
    iterations = torch.ones_like(active, dtype=torch.int64)
    stuck = _stuck_mass(block)
    for step in range(1, max_iterations + 1):
        proposed = domain.rows(q)
        error = ordered_sum(domain.ratio(p, proposed).abs_().mul_(block.a), 0) + stuck
        active = active & ~(error <= block.tolerance)  # NaN counts as not converged
        if step == max_iterations or (stop_early and not bool(active.any())):
            break
        p = torch.where(active, proposed, p)
        q = torch.where(active, domain.columns(p), q)
        iterations = iterations + active
    p = torch.where(block.a > 0, p, proposed)  # rows without mass: the error does not see them
    return Solution(
        domain.plan(p, q),
        _potential(block, domain.logarithm(p), 1),
        _potential(block, domain.logarithm(q), 0),
        iterations,
        ~active,
    )


def _potential(block: Block, log_scaling: Tensor, dim: int) -> Tensor:
    """Potential in units of the cost; zero for a row (column) without any pair."""
    exists = block.cost.amin(dim) < torch.inf
    shift = block.shift if dim == 1 else 0.0
    return torch.where(exists, block.epsilon * log_scaling + shift, 0.0)


def _stuck_mass(block: Block) -> Float[Tensor, " B"]:
    """Mass that the marginals put where there is no pair to carry it."""
    rows = torch.where(block.cost.amin(1) < torch.inf, 0.0, block.a)
    columns = torch.where(block.cost.amin(0) < torch.inf, 0.0, block.b)
    return ordered_sum(rows, 0) + ordered_sum(columns, 0)


def _power(sums: Tensor, tau: float) -> Tensor:
    """Raise to -tau; without `pow`, whose last bit depends on where in memory a number stands."""
    return sums.reciprocal_() if tau == 1.0 else sums.log_().mul_(-tau).exp_()


def _finite(largest: Tensor) -> Tensor:
    return torch.where(largest == -torch.inf, 0.0, largest)
