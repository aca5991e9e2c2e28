"""What follows from the potentials of a problem: plan, marginal errors, cost."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plp.aligners._ordered import normalize_mass, safe_log
from plp.aligners._problem import Problem, Solution
from plp.aligners.base import Pairs


class SinkhornResult(NamedTuple):
    """Solution of a batch of entropic transport problems.

    With potentials f, g and marginals a, b the plan is
    P_ij = a_i b_j exp((f_i + g_j - C_ij) / epsilon).

    Attributes:
        plan: Transport plan, in the dtype of the cost; all else is float32 or better.
        row_potential: f, in units of the cost; zero for a row without any pair. Potentials of
            balanced transport are fixed by sum(a f) = sum(b g).
        column_potential: g, likewise.
        row_error: L1 distance of the plan's row sums from what optimality asks for: `a` in balanced
            transport, a exp(-f / rho) where the marginal is relaxed.
        column_error: Likewise for the columns.
        iterations: Iterations each problem took.
        converged: Whether each problem met its tolerance.
        cost: Entropic transport cost, sum(P C) + epsilon KL(P | a b^T), plus the penalties of
            relaxed marginals; computed as the dual objective.
    """

    plan: Pairs
    row_potential: Float[Tensor, "*batch K"]
    column_potential: Float[Tensor, "*batch N"]
    row_error: Float[Tensor, "*batch"]
    column_error: Float[Tensor, "*batch"]
    iterations: Int[Tensor, "*batch"]
    converged: Bool[Tensor, "*batch"]
    cost: Float[Tensor, "*batch"]


def centred(problem: Problem, found: Solution) -> Solution:
    """Fix the constant that balanced potentials are free to exchange."""
    f, g, mask = found.f, found.g, problem.mask
    constant = (((problem.b * g).sum(-1) - (problem.a * f).sum(-1)) / 2)[..., None]
    if mask is None:
        return found._replace(f=f + constant, g=g - constant)
    zero = torch.zeros_like(constant)
    return found._replace(
        f=f + torch.where(mask.any(-1), constant, zero),
        g=g - torch.where(mask.any(-2), constant, zero),
    )


def plan_of(problem: Problem, f: Tensor, g: Tensor, epsilon: float) -> Tensor:
    """Plan of the potentials."""
    product = problem.a[..., :, None] * problem.b[..., None, :]
    return product * _exponents(problem, f, g, epsilon).exp()


def _exponents(problem: Problem, f: Tensor, g: Tensor, epsilon: float) -> Tensor:
    return (f[..., :, None] + g[..., None, :] - problem.cost) / epsilon


def differentiable_plan(problem: Problem, f: Tensor, g: Tensor, epsilon: float) -> Tensor:
    """As `plan_of`, but kept columns are normalised, so that rounding costs no mass."""
    if problem.rho_b != math.inf:
        return plan_of(problem, f, g, epsilon)
    exponents = safe_log(problem.a)[..., :, None]
    exponents = exponents + (f[..., :, None] - problem.cost) / epsilon
    empty = (exponents == -torch.inf).all(-2, keepdim=True)
    shares = torch.where(empty, 0.0, exponents).softmax(-2)
    return problem.b[..., None, :] * torch.where(empty, 0.0, shares)


def plan_of_mass_one(problem: Problem, f: Tensor, g: Tensor, epsilon: float) -> Tensor:
    """Divide a plan by its mass, which itself may be out of range."""
    log_product = safe_log(problem.a)[..., :, None] + safe_log(problem.b)[..., None, :]
    exponents = log_product + _exponents(problem, f, g, epsilon)
    largest = exponents.detach().amax((-2, -1), keepdim=True)
    return normalize_mass((exponents - torch.where(largest == -math.inf, 0.0, largest)).exp())


def marginal_error(sums: Tensor, marginal: Tensor, potential: Tensor, rho: float) -> Tensor:
    """L1 distance from the row (column) sums of the optimal plan."""
    if rho == 0:
        return torch.zeros_like(sums[..., 0])
    target = marginal if rho == math.inf else marginal * torch.exp(-potential / rho)
    return (sums - target).detach().abs().sum(-1)


def dual(problem: Problem, f: Tensor, g: Tensor, mass: Tensor, epsilon: float) -> Tensor:
    """Dual objective; its partial derivatives at the optimal f, g are those of the cost."""
    value = epsilon * (problem.a.sum(-1) * problem.b.sum(-1) - mass)
    sides = (problem.a, f, problem.rho_a), (problem.b, g, problem.rho_b)
    for marginal, potential, rho in sides:
        if rho == math.inf:
            value = value + (marginal * potential).sum(-1)
        elif rho > 0:
            value = value - rho * (marginal * torch.expm1(-potential / rho)).sum(-1)
    return value
