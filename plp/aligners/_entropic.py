"""What balanced and relaxed entropic transport share: inputs, gradient modes, the result."""

import math
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plp.aligners._gradients import ImplicitTransport, safe_log, unrolled
from plp.aligners._iterations import of_mass_one
from plp.aligners._solver import entropic_transport
from plp.aligners.base import lifted
from plp.errors import ConfigError

Gradient = Literal["detach", "envelope", "unroll", "implicit"]


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


class Settings(NamedTuple):
    """Checked settings of a solver; rho = inf keeps a marginal, rho = 0 drops it."""

    epsilon: float
    rho_a: float
    rho_b: float
    max_iterations: int
    tolerance: float
    gradient: Gradient

    @property
    def balanced(self) -> bool:
        """Whether both marginals are kept."""
        return self.rho_a == math.inf and self.rho_b == math.inf

    def solver_arguments(self) -> tuple[float, float, float, int, float]:
        """Arguments of the operator after cost and marginals."""
        tau_a, tau_b = self._tau(self.rho_a), self._tau(self.rho_b)
        return float(self.epsilon), tau_a, tau_b, self.max_iterations, float(self.tolerance)

    def _tau(self, rho: float) -> float:
        return 1.0 if rho == math.inf else rho / (rho + self.epsilon)

    def describe(self) -> str:
        """Show what all aligners share, as keywords."""
        return (
            f"epsilon={self.epsilon}, max_iterations={self.max_iterations}, "
            f"tolerance={self.tolerance}, gradient={self.gradient!r}"
        )


def check_settings(settings: Settings) -> None:
    """Raise ConfigError for a setting no solver can work with."""
    if not 0 < settings.epsilon < math.inf:
        raise ConfigError(
            f"expected epsilon > 0, got {settings.epsilon!r}; cosines are usually aligned with "
            "0.01 to 0.1"
        )
    for name, rho in (("rho_a", settings.rho_a), ("rho_b", settings.rho_b)):
        if not rho >= 0:
            raise ConfigError(f"expected {name} >= 0 (inf keeps the marginal), got {rho!r}")
    if settings.max_iterations < 1:
        raise ConfigError(f"expected max_iterations >= 1, got {settings.max_iterations!r}")
    if not 0 <= settings.tolerance < math.inf:
        raise ConfigError(f"expected tolerance >= 0, got {settings.tolerance!r}")
    if settings.gradient not in get_args(Gradient):
        known = ", ".join(map(repr, get_args(Gradient)))
        raise ConfigError(f"expected gradient to be one of {known}, got {settings.gradient!r}")


def check_aligner_settings(settings: Settings) -> None:
    """Raise ConfigError for a setting an aligner cannot work with."""
    check_settings(settings)
    if settings.gradient == "envelope":
        raise ConfigError(
            "expected gradient 'detach', 'unroll' or 'implicit', got 'envelope': the envelope "
            "theorem concerns the entropic cost, and leaves the plan constant, as 'detach' does"
        )


def solve_entropic(
    cost: Float[Tensor, "*batch K N"],
    a: Tensor | None,
    b: Tensor | None,
    mask: Bool[Tensor, "*#batch K N"] | None,
    settings: Settings,
) -> SinkhornResult:
    """Solve with the gradient mode asked for; see `sinkhorn` for the arguments."""
    check_settings(settings)
    check_problem(cost, mask)
    arguments = settings.solver_arguments()
    with torch.autocast(cost.device.type, enabled=False):
        C = lifted(cost)
        C = C if mask is None else C.masked_fill(~mask, math.inf)
        uniform = uniform_marginals(C, mask)
        a = uniform[0] if a is None else _given(a, C, "a")
        b = uniform[1] if b is None else _given(b, C, "b")
        if settings.gradient == "unroll":
            f, g, iterations, converged = unrolled(C, a, b, *arguments)
        elif settings.gradient == "implicit":
            f, g, iterations, converged = ImplicitTransport.apply(C, a, b, *arguments)
        else:
            plan, f, g, iterations, converged = entropic_transport(
                C.detach(), a.detach(), b.detach(), *arguments
            )
        if settings.balanced:
            f, g = _centred(C, a, b, f, g)
        if settings.gradient in ("unroll", "implicit"):
            plan = _differentiable_plan(C, a, b, f, g, settings)
        if settings.gradient == "detach":
            C, a, b, mass = C.detach(), a.detach(), b.detach(), plan.sum((-2, -1))
        else:
            mass = _plan(C, a, b, f, g, settings.epsilon).sum((-2, -1))
        return SinkhornResult(
            plan.to(cost.dtype), f, g, *_errors(plan.detach(), a, b, f, g, settings),
            iterations, converged, _dual(a, b, f, g, mass, settings),
        )  # fmt: skip


def check_problem(cost: Tensor, mask: Tensor | None) -> None:
    """Raise ConfigError for a cost or a mask that cannot be meant."""
    if not cost.is_floating_point():
        raise ConfigError(f"expected a floating-point cost, got {cost.dtype}; use cost.float()")
    if cost.ndim < 2 or 0 in cost.shape[-2:]:
        raise ConfigError(
            f"expected a cost of shape [*batch, K, N] with K, N >= 1, got {list(cost.shape)}"
        )
    if mask is not None and mask.dtype != torch.bool:
        raise ConfigError(f"expected a boolean mask, True where a pair exists, got {mask.dtype}")


def uniform_marginals(
    cost: Float[Tensor, "*batch K N"], mask: Bool[Tensor, "*#batch K N"] | None
) -> tuple[Float[Tensor, "*batch K"], Float[Tensor, "*batch N"]]:
    """Return marginals uniform over the rows and over the columns that hold a pair."""
    shape_a, shape_b = cost.shape[:-1], cost.shape[:-2] + cost.shape[-1:]
    if mask is None:
        a, b = (cost.new_full((), 1 / shape[-1]) for shape in (shape_a, shape_b))
    else:
        a, b = (_shares(mask.any(dim).to(cost.dtype)) for dim in (-1, -2))
    return a.expand(shape_a), b.expand(shape_b)


def _shares(exists: Tensor) -> Tensor:
    return exists / exists.sum(-1, keepdim=True).clamp_min(1)


def _given(marginal: Tensor, cost: Tensor, name: Literal["a", "b"]) -> Tensor:
    axis, size = ("K", cost.shape[-2]) if name == "a" else ("N", cost.shape[-1])
    if marginal.ndim < 1 or marginal.shape[-1] != size:
        raise ConfigError(
            f"expected the marginal {name} to end in {axis} = {size}, "
            f"got shape {list(marginal.shape)}"
        )
    return marginal.to(cost).expand(*cost.shape[:-2], size)


def _plan(C: Tensor, a: Tensor, b: Tensor, f: Tensor, g: Tensor, epsilon: float) -> Tensor:
    exponents = (f[..., :, None] + g[..., None, :] - C) / epsilon
    return a[..., :, None] * b[..., None, :] * exponents.exp()


def _differentiable_plan(
    C: Tensor, a: Tensor, b: Tensor, f: Tensor, g: Tensor, settings: Settings
) -> Tensor:
    """Plan of the potentials; kept columns are normalised, so that rounding costs no mass."""
    if settings.rho_b != math.inf:
        return _plan(C, a, b, f, g, settings.epsilon)
    exponents = safe_log(a)[..., :, None] + (f[..., :, None] - C) / settings.epsilon
    return b[..., None, :] * _softmax(exponents)


def _softmax(exponents: Tensor) -> Tensor:
    """Softmax over the last axis but one; zero where every exponent is -inf."""
    empty = (exponents == -torch.inf).all(-2, keepdim=True)
    return torch.where(empty, 0.0, torch.where(empty, 0.0, exponents).softmax(-2))


def plan_of_mass_one(
    cost: Float[Tensor, "*batch K N"],
    mask: Bool[Tensor, "*#batch K N"] | None,
    result: SinkhornResult,
    epsilon: float,
) -> Float[Tensor, "*batch K N"]:
    """Divide the plan of uniform marginals by its mass, which itself may be out of range."""
    C = cost if mask is None else cost.masked_fill(~mask, math.inf)
    a, b = uniform_marginals(C, mask)
    f, g = result.row_potential, result.column_potential
    log_product = safe_log(a)[..., :, None] + safe_log(b)[..., None, :]
    exponents = log_product + (f[..., :, None] + g[..., None, :] - C) / epsilon
    largest = exponents.detach().amax((-2, -1), keepdim=True)
    return of_mass_one((exponents - torch.where(largest == -math.inf, 0.0, largest)).exp())


def _centred(C: Tensor, a: Tensor, b: Tensor, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Fix the constant that balanced potentials are free to exchange."""
    constant = (((b * g).sum(-1) - (a * f).sum(-1)) / 2)[..., None]
    exists = C.detach() < math.inf
    zero = torch.zeros_like(constant)
    return (
        f + torch.where(exists.any(-1), constant, zero),
        g - torch.where(exists.any(-2), constant, zero),
    )


def _errors(
    plan: Tensor, a: Tensor, b: Tensor, f: Tensor, g: Tensor, settings: Settings
) -> tuple[Tensor, Tensor]:
    pairs = ((-1, a, f, settings.rho_a), (-2, b, g, settings.rho_b))
    errors = []
    for dim, marginal, potential, rho in pairs:
        sums = plan.sum(dim)
        target = marginal.detach() * (torch.exp(-potential.detach() / rho) if rho else 1.0)
        errors.append((sums - target).abs().sum(-1) if rho else torch.zeros_like(sums[..., 0]))
    return errors[0], errors[1]


def _dual(a: Tensor, b: Tensor, f: Tensor, g: Tensor, mass: Tensor, settings: Settings) -> Tensor:
    """Dual objective; its partial derivatives at the optimal f, g are those of the cost."""
    value = settings.epsilon * (a.sum(-1) * b.sum(-1) - mass)
    for marginal, potential, rho in ((a, f, settings.rho_a), (b, g, settings.rho_b)):
        if rho == math.inf:
            value = value + (marginal * potential).sum(-1)
        elif rho > 0:
            value = value - rho * (marginal * torch.expm1(-potential / rho)).sum(-1)
    return value
