"""Laws of balanced entropic transport, for any solver that is called like `plp.aligners.sinkhorn`.

A solver is called as `solver(cost, epsilon=...)`, with or without `a`, `b`, `mask` and
`max_iterations`, and returns the fields of `plp.aligners.SinkhornResult`. Give it a tight tolerance
and enough iterations: laws about exact identities skip examples that it reports as not converged.

    from functools import partial
    from plp.testing.transport_laws import TRANSPORT_LAWS

    for law in TRANSPORT_LAWS.values():
        law(partial(my_sinkhorn, tolerance=1e-13, max_iterations=5000))
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from hypothesis import assume
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from plp.testing.laws import Law, require, require_close
from plp.testing.strategies import Draw, TransportProblem, assignments, problems

Solver = Callable[..., Any]
_require_close = partial(require_close, rtol=1e-6, atol=1e-9)


def _solve(solver: Solver, problem: TransportProblem, **changes: Any) -> Any:
    cost, a, b, epsilon = problem._replace(**changes)
    result = solver(cost, epsilon=epsilon, a=a, b=b)
    require(bool((result.plan >= 0).all()), f"a plan has the negative entry {result.plan.min()}")
    assume(bool(result.converged.all()))
    return result


def _marginals_hold_within_the_reported_error(solver: Solver, problem: TransportProblem) -> None:
    cost, a, b, epsilon = problem
    result = solver(cost, epsilon=epsilon, a=a, b=b)
    for dim, marginal, reported in ((-1, a, result.row_error), (-2, b, result.column_error)):
        error = (result.plan.sum(dim) - marginal).abs().sum(-1)
        require(bool((error <= reported + 1e-12).all()), f"error {error}, reported {reported}")
    met = (result.row_error < 1e-5) & (result.column_error < 1e-5)
    require(torch.equal(result.converged & met, result.converged), "converged, but it has not")
    require(bool((result.column_error < 1e-9).all()), "the last update must meet the columns")


def _the_plan_has_the_form_of_its_potentials(solver: Solver, problem: TransportProblem) -> None:
    result = _solve(solver, problem)
    f, g = result.row_potential[:, :, None], result.column_potential[:, None]
    kernel = ((f + g - problem.cost) / problem.epsilon).exp()
    plan = problem.a[:, :, None] * problem.b[:, None] * kernel
    _require_close(result.plan, plan)


def _the_cost_is_the_primal_value(solver: Solver, problem: TransportProblem) -> None:
    result = _solve(solver, problem)
    product = problem.a[:, :, None] * problem.b[:, None]
    ratio = torch.where(result.plan > 0, result.plan / product, 1.0)
    entropy = (result.plan * ratio.log()).sum((1, 2))
    value = (result.plan * problem.cost).sum((1, 2)) + problem.epsilon * entropy
    require_close(result.cost, value, rtol=1e-6, atol=1e-8)


def _row_and_column_constants_cancel(
    solver: Solver, example: tuple[TransportProblem, float, float]
) -> None:
    problem, row, column = example
    cost = problem.cost.clone()
    cost[:, 0] += row
    cost[:, :, -1] += column
    moved, plain = _solve(solver, problem, cost=cost), _solve(solver, problem)
    _require_close(moved.plan, plain.plan)


def _transposition(solver: Solver, problem: TransportProblem) -> None:
    cost, a, b, _ = problem
    result, other = _solve(solver, problem), _solve(solver, problem, cost=cost.mT, a=b, b=a)
    _require_close(other.plan.mT, result.plan)
    require_close(other.row_potential, result.column_potential, rtol=1e-6, atol=1e-7)


def _rows_and_columns_have_no_order(
    solver: Solver, example: tuple[TransportProblem, list[int], list[int]]
) -> None:
    problem, rows, columns = example
    cost, a, b, _ = problem
    result = _solve(solver, problem)
    shuffled = {"cost": cost[:, rows][:, :, columns], "a": a[:, rows], "b": b[:, columns]}
    other = _solve(solver, problem, **shuffled)
    _require_close(other.plan, result.plan[:, rows][:, :, columns])
    require_close(other.row_potential, result.row_potential[:, rows], rtol=1e-6, atol=1e-7)


def _the_same_twice(solver: Solver, problem: TransportProblem) -> None:
    cost, a, b, epsilon = problem
    before = [tensor.clone() for tensor in (cost, a, b)]
    first, second = (solver(cost, epsilon=epsilon, a=a, b=b) for _ in range(2))
    for name, value in first._asdict().items():
        require_close(getattr(second, name), value)
    untouched = all(map(torch.equal, (cost, a, b), before))
    require(untouched, "cost or marginals were overwritten")


def _cost_and_epsilon_scale_together(
    solver: Solver, example: tuple[TransportProblem, float]
) -> None:
    problem, factor = example
    scaled = {"cost": problem.cost * factor, "epsilon": problem.epsilon * factor}
    result, other = _solve(solver, problem), _solve(solver, problem, **scaled)
    _require_close(other.plan, result.plan)
    _require_close(other.cost, result.cost * factor)


def _a_large_epsilon_gives_the_product(solver: Solver, problem: TransportProblem) -> None:
    product = problem.a[:, :, None] * problem.b[:, None]
    plan = _solve(solver, problem, epsilon=1e6).plan
    require_close(plan, product, rtol=1e-5, atol=1e-12)


def _a_small_epsilon_gives_the_assignment(solver: Solver, cost: Tensor) -> None:
    """<P, C> exceeds the optimum by at most epsilon log K, and by what the marginals are off."""
    size, epsilon = cost.shape[-1], 0.05
    result = solver(cost, epsilon=epsilon)
    for problem, plan, error in zip(cost, result.plan, result.row_error, strict=True):
        best = linear_sum_assignment(problem.numpy())
        gap = float((plan * problem).sum() - problem[best].mean())
        bound = epsilon * float(torch.tensor(size).log()) + float(error)
        require(-float(error) - 1e-9 <= gap <= bound + 1e-9, f"gap {gap}, bound {bound}")


def _transport_cost_grows_with_epsilon(
    solver: Solver, example: tuple[TransportProblem, float]
) -> None:
    problem, factor = example
    low, high = _solve(solver, problem), _solve(solver, problem, epsilon=problem.epsilon * factor)
    costs = [(result.plan * problem.cost).sum((1, 2)) for result in (low, high)]
    require(bool((costs[0] <= costs[1] + 1e-9).all()), f"{costs[0]} at the lower epsilon")


def _a_problem_does_not_see_its_neighbours(solver: Solver, problem: TransportProblem) -> None:
    cost, a, b, epsilon = problem
    together = solver(cost, epsilon=epsilon, a=a, b=b)
    for index in range(len(cost)):
        alone = solver(cost[index], epsilon=epsilon, a=a[index], b=b[index])
        for name in ("plan", "iterations", "converged"):
            both = getattr(together, name)[index], getattr(alone, name)
            require_close(*both)


def _an_empty_row_or_column_is_no_row_or_column(
    solver: Solver, example: tuple[TransportProblem, bool]
) -> None:
    (cost, a, b, epsilon), as_mask = example
    pad = torch.nn.functional.pad
    larger = pad(cost, (1, 0, 0, 1))  # a column before, a row after
    if as_mask:
        mask = pad(torch.ones_like(cost, dtype=torch.bool), (1, 0, 0, 1))
        result, framed = solver(cost, epsilon=epsilon), solver(larger, epsilon=epsilon, mask=mask)
    else:
        result = solver(cost, epsilon=epsilon, a=a, b=b)
        framed = solver(larger, epsilon=epsilon, a=pad(a, (0, 1)), b=pad(b, (1, 0)))
    assume(bool((result.converged & framed.converged).all()))
    require(bool((framed.plan[:, -1] == 0).all()), "the empty row got mass")
    require(bool((framed.plan[:, :, 0] == 0).all()), "the empty column got mass")
    _require_close(framed.plan[:, :-1, 1:], result.plan)


def _extreme_costs_do_no_harm(solver: Solver, example: tuple[Tensor, torch.dtype]) -> None:
    """A spread of 1e4 at epsilon 1e-3: far from converged, yet finite and of mass one."""
    cost = (1e4 * example[0]).to(example[1])
    result = solver(cost, epsilon=1e-3, max_iterations=50)
    for name, value in result._asdict().items():
        require(bool(value.isfinite().all()), f"{name} is not finite")
    mass = result.plan.sum((1, 2))
    require_close(mass, torch.ones_like(mass), atol=1e-5)


def _single_precision_agrees_with_double(solver: Solver, problem: TransportProblem) -> None:
    cost, a, b, epsilon = problem
    single = solver(cost.float(), epsilon=epsilon, a=a.float(), b=b.float())
    double = _solve(solver, problem)
    require_close(single.plan.double(), double.plan, rtol=1e-3, atol=1e-5)


@st.composite
def _shuffles(draw: Draw) -> tuple[TransportProblem, list[int], list[int]]:
    problem = draw(problems())
    rows, columns = (list(draw(st.permutations(range(n)))) for n in problem.cost.shape[1:])
    return problem, rows, columns


def _scaled(low: float, high: float) -> st.SearchStrategy[tuple[TransportProblem, float]]:
    return st.tuples(problems(), st.floats(low, high))


TRANSPORT_LAWS: dict[str, Law] = {
    "marginals hold within the reported error": Law(
        _marginals_hold_within_the_reported_error, problems()
    ),
    "the plan has the form of its potentials": Law(
        _the_plan_has_the_form_of_its_potentials, problems()
    ),
    "the cost is the primal value": Law(_the_cost_is_the_primal_value, problems()),
    "row and column constants cancel": Law(
        _row_and_column_constants_cancel,
        st.tuples(problems(), st.floats(-5, 5), st.floats(-5, 5)),
    ),
    "transposition": Law(_transposition, problems()),
    "rows and columns have no order": Law(_rows_and_columns_have_no_order, _shuffles()),
    "the same twice, inputs untouched": Law(_the_same_twice, problems()),
    "cost and epsilon scale together": Law(_cost_and_epsilon_scale_together, _scaled(0.1, 10.0)),
    "a large epsilon gives the product": Law(_a_large_epsilon_gives_the_product, problems()),
    "a small epsilon gives the assignment": Law(
        _a_small_epsilon_gives_the_assignment, assignments()
    ),
    "transport cost grows with epsilon": Law(
        _transport_cost_grows_with_epsilon, _scaled(1.0, 10.0)
    ),
    "a problem does not see its neighbours": Law(
        _a_problem_does_not_see_its_neighbours, problems()
    ),
    "an empty row or column is no row or column": Law(
        _an_empty_row_or_column_is_no_row_or_column, st.tuples(problems(), st.booleans())
    ),
    "extreme costs do no harm": Law(
        _extreme_costs_do_no_harm,
        st.tuples(assignments(), st.sampled_from([torch.float32, torch.float64])),
    ),
    "single precision agrees with double": Law(
        _single_precision_agrees_with_double, problems(zeros=False)
    ),
}
