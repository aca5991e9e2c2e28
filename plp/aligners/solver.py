"""Sinkhorn's algorithm as a solver that holds its knobs."""

import inspect
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar, final, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from plp.aligners import _solution
from plp.aligners._block import SolverSettings
from plp.aligners._graph_domain import GraphDomain
from plp.aligners._implicit import ImplicitTransport
from plp.aligners._iterations import State, iterate
from plp.aligners._operator import entropic_transport
from plp.aligners._problem import Problem, Solution, check_costs, make_problem
from plp.aligners._solution import SinkhornResult
from plp.aligners.base import Aligner, PairMask, Pairs, require_tensor
from plp.aligners.convergence import is_heard, tell
from plp.checks import check_choice, check_integer, check_number
from plp.errors import ConfigError

Gradient = Literal["detach", "envelope", "unroll", "implicit"]
Implementation = Literal["auto", "plain", "fixed"]
Taker = TypeVar("Taker", bound=Callable[..., Any])


@final
@dataclass(frozen=True)
class Sinkhorn:
    """Solver of entropic transport, balanced or with relaxed marginals.

        min_P  sum_ij P_ij C_ij + epsilon KL(P | a b^T) + rho_a KL(P 1 | a) + rho_b KL(P^T 1 | b)

    The problems of a batch share nothing: each stops when it has converged, and its numbers do not
    depend on the others. Half precision is upcast to float32.

    Args:
        epsilon: Entropic regularisation, in units of the cost. Towards 0 the plan of balanced
            transport becomes the optimal assignment, towards infinity the product of the marginals;
            docs/transport.md on choosing it.
        max_iterations: Most iterations; a small epsilon / (max C - min C) needs many.
        tolerance: Error at which a problem stops: sum_i a_i |p_i / p_i' - 1|, the change of the row
            scalings in an iteration, which in balanced transport is the L1 error of the row
            marginals (the columns are exact). Where rounding does not allow it, what rounding does
            allow, up to 1e-4.
        gradient: What carries a gradient, see docs/transport.md. 'detach': nothing. 'envelope': the
            entropic cost, by the envelope theorem, exact at convergence. 'unroll': everything,
            through the iterations. 'implicit': everything, through the optimality conditions,
            exact at convergence and without storing iterations.
        implementation: 'fixed' runs `max_iterations` plain operations that can be traced, without a
            look at a value; 'plain' and, so far, 'auto' stop when all have converged.

    Raises:
        ConfigError: for a knob out of range.

    Example:
        >>> import torch
        >>> Sinkhorn(epsilon=0.5)(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).plan
        tensor([[0.4404, 0.0596],
                [0.0596, 0.4404]])
    """

    epsilon: float
    max_iterations: int = 100
    tolerance: float = 1e-6
    gradient: Gradient = "detach"
    implementation: Implementation = "auto"

    def __post_init__(self) -> None:
        if not 0 < self.epsilon < math.inf:
            raise ConfigError(
                f"expected epsilon > 0, got {self.epsilon!r}; cosines are usually aligned with "
                "0.01 to 0.1"
            )
        check_integer("max_iterations", self.max_iterations)
        check_number("tolerance", self.tolerance)
        _check_choices(self.gradient, self.implementation)

    def __call__(
        self,
        cost: Pairs,
        *,
        a: Float[Tensor, "*#batch K"] | None = None,
        b: Float[Tensor, "*#batch N"] | None = None,
        mask: PairMask = None,
        rho_a: float = math.inf,
        rho_b: float = math.inf,
    ) -> SinkhornResult:
        """Solve a batch of problems; `sinkhorn` and `unbalanced_sinkhorn` say what of."""
        require_tensor(cost, "the cost")
        with torch.autocast(cost.device.type, enabled=False):
            problem = make_problem(cost, mask, a, b, rho_a, rho_b)
            check_costs(problem.cost)
            problem = problem.detach() if self.gradient == "detach" else problem
            found = self._transport(problem)
            mass = found.row_sums.sum(-1)
            if self.gradient == "envelope":  # in the graph, at constant potentials
                mass = _solution.plan_of(problem, found.f, found.g, self.epsilon).sum((-2, -1))
            row_error = _solution.marginal_error(found.row_sums, problem.a, found.f, rho_a)
            column_error = _solution.marginal_error(found.column_sums, problem.b, found.g, rho_b)
            value = _solution.dual(problem, found.f, found.g, mass, self.epsilon)
        if is_heard():
            tell(found.converged, row_error)
        plan, errors = found.plan.to(cost.dtype), (row_error, column_error)
        done = found.iterations, found.converged
        return SinkhornResult(plan, found.f, found.g, *errors, *done, value)

    def plan(
        self,
        cost: Pairs,
        mask: PairMask = None,
        rho_a: float = math.inf,
        rho_b: float = math.inf,
    ) -> Pairs:
        """Return the plan of uniform marginals, divided by its mass where that is not one.

        In float32 or better, and without a look at the costs: what an aligner asks for.
        """
        with torch.autocast(cost.device.type, enabled=False):
            problem = make_problem(cost, mask, rho_a=rho_a, rho_b=rho_b)
            problem = problem.detach() if self.gradient == "detach" else problem
            kept = rho_b == math.inf  # the columns keep their marginals, of mass one
            constant = kept and self.gradient == "detach"
            found = self._solve(problem) if constant else self._transport(problem)
            if is_heard():
                tell(
                    found.converged,
                    _solution.marginal_error(found.row_sums, problem.a, found.f, rho_a),
                )
            if kept:
                return found.plan
            return _solution.plan_of_mass_one(problem, found.f, found.g, self.epsilon)

    def describe(self) -> str:
        """Show the knobs as keywords; the implementation where it is not the usual one."""
        knobs = {knob.name: getattr(self, knob.name) for knob in fields(self)}
        if self.implementation == "auto":
            del knobs["implementation"]
        return ", ".join(f"{name}={value!r}" for name, value in knobs.items())

    def _transport(self, problem: Problem) -> Solution:
        """Solve in the gradient mode; balanced potentials without a constant left open."""
        if self.gradient in ("detach", "envelope"):
            found = self._solve(problem)
            return _solution.centred(problem.detach(), found) if problem.balanced else found
        settings = self._settings(problem)
        if self.gradient == "unroll":
            state = iterate(GraphDomain(*problem[:3], settings), check_every=1, look=False)
            f, g, *done = _in_units_of_cost(state, self.epsilon)
        else:
            f, g, *done = ImplicitTransport.apply(*problem[:3], *settings)
        found = Solution(f, f, g, f, g, *done)  # plan and sums follow
        found = _solution.centred(problem, found) if problem.balanced else found
        plan = _solution.differentiable_plan(problem, found.f, found.g, self.epsilon)
        return found._replace(plan=plan, row_sums=plan.sum(-1), column_sums=plan.sum(-2))

    def _solve(self, problem: Problem) -> Solution:
        """Solve without a graph."""
        tensors, settings = problem.detach()[:3], self._settings(problem)
        if self.implementation != "fixed":
            return Solution(*entropic_transport(*tensors, *settings))
        domain = GraphDomain(*tensors, settings)
        state = iterate(domain, check_every=self.max_iterations, look=False)
        plan = domain.plan(state.S, state.T)
        f, g, *done = _in_units_of_cost(state, self.epsilon)
        return Solution(plan, f, g, plan.sum(-1), plan.sum(-2), *done)

    def _settings(self, problem: Problem) -> SolverSettings:
        tau_a, tau_b = (
            1.0 if rho == math.inf else rho / (rho + self.epsilon)
            for rho in (problem.rho_a, problem.rho_b)
        )
        epsilon, tolerance = float(self.epsilon), float(self.tolerance)
        return SolverSettings(epsilon, tau_a, tau_b, self.max_iterations, tolerance)


def _in_units_of_cost(state: State, epsilon: float) -> tuple[Tensor, ...]:
    """Potentials, iterations and convergence of problems on the leading axes."""
    f, g = -epsilon * state.S[..., 0], -epsilon * state.T[..., 0, :]
    return f, g, state.iterations[..., 0, 0], state.converged[..., 0, 0]


class EntropicAligner(Aligner):
    """An aligner whose plan a solver finds.

    Attributes:
        solver: The solver, with its knobs.

    Raises:
        ConfigError: for a gradient mode that is none for a plan.
    """

    def __init__(self, solver: Sinkhorn) -> None:
        super().__init__()
        if solver.gradient == "envelope":
            raise ConfigError(
                "expected gradient 'detach', 'unroll' or 'implicit', got 'envelope': the envelope "
                "theorem concerns the entropic cost, and leaves the plan constant, as 'detach' does"
            )
        self.solver = solver

    @property
    def settings(self) -> Sinkhorn:
        """The solver, by the name it had; deprecated."""
        warnings.warn(
            "aligner.settings is called aligner.solver; settings goes with 0.3",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.solver

    def extra_repr(self) -> str:
        """Show the knobs in the printed module."""
        return self.solver.describe()


def takes_knobs(taker: Taker) -> Taker:
    """Show the solver's knobs in a signature where it says `**knobs` (and `*more` before them).

    For functions and classes that pass them on to `Sinkhorn`: help, and the registry, which holds
    the keywords of a config against the signature, see them by name.
    """
    own = inspect.signature(taker).parameters
    kept = {n: p for n, p in own.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    by_place = any(p.kind is p.VAR_POSITIONAL for p in own.values())
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD if by_place else inspect.Parameter.KEYWORD_ONLY
    for name, knob in inspect.signature(Sinkhorn).parameters.items():
        kept.setdefault(name, knob.replace(kind=kind))
    taker.__signature__ = inspect.Signature(list(kept.values()))  # type: ignore[attr-defined]
    return taker


def _check_choices(gradient: str, implementation: str) -> None:
    if implementation == "fused":
        raise ConfigError(
            "implementation='fused', a Triton kernel, is gone: no GPU ever measured it. Leave the "
            "keyword out; 'auto' solves the same problems in PyTorch operations, on a GPU too"
        )
    choices = ("gradient", gradient, Gradient), ("implementation", implementation, Implementation)
    for name, value, kind in choices:
        check_choice(name, value, get_args(kind))
