"""Balanced and relaxed entropic transport in every gradient mode, and its result."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plp.aligners._fixed import fixed_transport
from plp.aligners._fused import fits, fused_entropic_transport
from plp.aligners._gradients import ImplicitTransport, safe_log, unrolled
from plp.aligners._ordered import of_mass_one
from plp.aligners._problem import Problem, check_costs, make_problem
from plp.aligners._settings import Settings, check_settings
from plp.aligners._solver import Outputs, entropic_transport
from plp.aligners.base import require_tensor
from plp.aligners.convergence import is_heard, tell


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

    plan: Float[Tensor, "*batch K N"]
    row_potential: Float[Tensor, "*batch K"]
    column_potential: Float[Tensor, "*batch N"]
    row_error: Float[Tensor, "*batch"]
    column_error: Float[Tensor, "*batch"]
    iterations: Int[Tensor, "*batch"]
    converged: Bool[Tensor, "*batch"]
    cost: Float[Tensor, "*batch"]


class _Transport(NamedTuple):
    """What a gradient mode yields; the same as the operator, in the graph or not."""

    plan: Tensor
    f: Tensor
    g: Tensor
    row_sums: Tensor
    column_sums: Tensor
    iterations: Tensor
    converged: Tensor


def solve_entropic(
    cost: Float[Tensor, "*batch K N"],
    mask: Bool[Tensor, "*#batch K N"] | None,
    settings: Settings,
    a: Tensor | None = None,
    b: Tensor | None = None,
) -> SinkhornResult:
    """Solve with the gradient mode asked for; see `sinkhorn` for the arguments."""
    check_settings(settings)
    require_tensor(cost, "the cost")
    with torch.autocast(cost.device.type, enabled=False):
        problem = make_problem(cost, mask, a, b)
        check_costs(problem.cost)
        problem = problem.detach() if settings.gradient == "detach" else problem
        found = _transport(problem, settings)
        mass = found.row_sums.sum(-1)
        if settings.gradient == "envelope":  # in the graph, at constant potentials
            mass = _plan(problem, found.f, found.g, settings.epsilon).sum((-2, -1))
        row_error = _error(found.row_sums, problem.a, found.f, settings.rho_a)
        column_error = _error(found.column_sums, problem.b, found.g, settings.rho_b)
        value = _dual(problem, found.f, found.g, mass, settings)
    if is_heard():
        tell(found.converged, row_error)
    return SinkhornResult(
        found.plan.to(cost.dtype), found.f, found.g, row_error, column_error,
        found.iterations, found.converged, value,
    )  # fmt: skip


def entropic_plan(
    cost: Float[Tensor, "*batch K N"],
    mask: Bool[Tensor, "*#batch K N"] | None,
    settings: Settings,
) -> Float[Tensor, "*batch K N"]:
    """Return the plan of uniform marginals, divided by its mass where that is not one."""
    with torch.autocast(cost.device.type, enabled=False):
        problem = make_problem(cost, mask)
        kept = settings.rho_b == math.inf and settings.gradient == "detach"
        found = _solved(problem, settings) if kept else _transport(problem, settings)
        if is_heard():
            tell(found.converged, _error(found.row_sums, problem.a, found.f, settings.rho_a))
        if settings.rho_b == math.inf:  # the columns keep their marginals, of mass one
            return found.plan
        return _plan_of_mass_one(problem, found.f, found.g, settings.epsilon)


def _solved(problem: Problem, settings: Settings) -> _Transport:
    """Solve without a graph: in the plain way, in one kernel, or in traceable operations."""
    solver: Callable[..., Outputs] = entropic_transport  # 'auto' is 'plain' so far
    if settings.implementation == "fixed":
        solver = fixed_transport
    elif settings.implementation == "fused" and fits(problem):
        solver = fused_entropic_transport
    return _Transport(*solver(*problem.detach()[:3], *settings.solver_arguments()))


def _transport(problem: Problem, settings: Settings) -> _Transport:
    C, a, b, _ = problem
    arguments = settings.solver_arguments()
    if settings.gradient in ("detach", "envelope"):
        found = _solved(problem, settings)
        return _centred(problem.detach(), found) if settings.balanced else found
    if settings.gradient == "unroll":
        f, g, iterations, converged = unrolled(C, a, b, *arguments)
    else:
        f, g, iterations, converged = ImplicitTransport.apply(C, a, b, *arguments)
    found = _Transport(f, f, g, f, g, iterations, converged)  # plan and sums follow
    found = _centred(problem, found) if settings.balanced else found
    plan = _differentiable_plan(problem, found.f, found.g, settings)
    return found._replace(plan=plan, row_sums=plan.sum(-1), column_sums=plan.sum(-2))


def _centred(problem: Problem, found: _Transport) -> _Transport:
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


def _exponents(problem: Problem, f: Tensor, g: Tensor, epsilon: float) -> Tensor:
    return (f[..., :, None] + g[..., None, :] - problem.cost) / epsilon


def _plan(problem: Problem, f: Tensor, g: Tensor, epsilon: float) -> Tensor:
    product = problem.a[..., :, None] * problem.b[..., None, :]
    return product * _exponents(problem, f, g, epsilon).exp()


def _differentiable_plan(problem: Problem, f: Tensor, g: Tensor, settings: Settings) -> Tensor:
    """Plan of the potentials; kept columns are normalised, so that rounding costs no mass."""
    if settings.rho_b != math.inf:
        return _plan(problem, f, g, settings.epsilon)
    exponents = safe_log(problem.a)[..., :, None]
    exponents = exponents + (f[..., :, None] - problem.cost) / settings.epsilon
    empty = (exponents == -torch.inf).all(-2, keepdim=True)
    shares = torch.where(empty, 0.0, exponents).softmax(-2)
    return problem.b[..., None, :] * torch.where(empty, 0.0, shares)


def _plan_of_mass_one(problem: Problem, f: Tensor, g: Tensor, epsilon: float) -> Tensor:
    """Divide a plan by its mass, which itself may be out of range."""
    log_product = safe_log(problem.a)[..., :, None] + safe_log(problem.b)[..., None, :]
    exponents = log_product + _exponents(problem, f, g, epsilon)
    largest = exponents.detach().amax((-2, -1), keepdim=True)
    return of_mass_one((exponents - torch.where(largest == -math.inf, 0.0, largest)).exp())


def _error(sums: Tensor, marginal: Tensor, potential: Tensor, rho: float) -> Tensor:
    """L1 distance from the row (column) sums of the optimal plan."""
    if rho == 0:
        return torch.zeros_like(sums[..., 0])
    target = marginal if rho == math.inf else marginal * torch.exp(-potential / rho)
    return (sums - target).detach().abs().sum(-1)


def _dual(problem: Problem, f: Tensor, g: Tensor, mass: Tensor, settings: Settings) -> Tensor:
    """Dual objective; its partial derivatives at the optimal f, g are those of the cost."""
    value = settings.epsilon * (problem.a.sum(-1) * problem.b.sum(-1) - mass)
    for marginal, potential, rho in (
        (problem.a, f, settings.rho_a),
        (problem.b, g, settings.rho_b),
    ):
        if rho == math.inf:
            value = value + (marginal * potential).sum(-1)
        elif rho > 0:
            value = value - rho * (marginal * torch.expm1(-potential / rho)).sum(-1)
    return value
