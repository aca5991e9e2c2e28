"""Solvers that each break a law of balanced transport, to see that the suite notices."""

from functools import partial

import torch

from plp.aligners import sinkhorn

right = partial(sinkhorn, tolerance=1e-13, max_iterations=5000)


def wrong_marginal(cost, **keywords):
    """Moves a tenth of the mass to the first row and reports no error."""
    result = right(cost, **keywords)
    plan = 0.9 * result.plan
    plan[..., :1, :] += 0.1 * result.plan.sum(-2, keepdim=True)
    return result._replace(plan=plan)


def unnormalised(cost, **keywords):
    """Sums to the number of columns."""
    result = right(cost, **keywords)
    return result._replace(plan=result.plan * (1 + cost.shape[-1]))


def always_converged(cost, **keywords):
    """Stops after two iterations and calls it a day."""
    result = right(cost, **{**keywords, "max_iterations": 2})
    return result._replace(converged=torch.ones_like(result.converged))


def natural_potentials(cost, *, epsilon, **keywords):
    """Potentials in units of epsilon."""
    result = right(cost, epsilon=epsilon, **keywords)
    return result._replace(row_potential=result.row_potential / (2 * epsilon))


def transport_cost_only(cost, **keywords):
    """Leaves the entropy out of the cost."""
    result = right(cost, **keywords)
    return result._replace(cost=(result.plan * cost).sum((-2, -1)))


def normalises_the_cost(cost, **keywords):
    """Divides each problem's cost by its largest entry."""
    largest = cost.abs().amax((-2, -1), keepdim=True).clamp_min(1e-9)
    return right(cost / largest, **keywords)


def adds_to_epsilon(cost, *, epsilon, **keywords):
    """Adds a constant for stability."""
    return right(cost, epsilon=epsilon + 0.2, **keywords)


def caps_epsilon(cost, *, epsilon, **keywords):
    """Never smooths much."""
    return right(cost, epsilon=min(epsilon, 1.0), **keywords)


def smooths_at_least(cost, *, epsilon, **keywords):
    """Never smooths little."""
    return right(cost, epsilon=max(epsilon, 0.5), **keywords)


def inverts_epsilon(cost, *, epsilon, **keywords):
    """Takes a rate for a regularisation."""
    return right(cost, epsilon=0.5 / epsilon, **keywords)


def one_epsilon_a_batch(cost, *, epsilon, **keywords):
    """Scales epsilon by the spread of the whole batch."""
    return right(cost, epsilon=epsilon * (1 + float(cost.std(correction=0))), **keywords)


def sees_empty_rows(cost, *, a=None, b=None, mask=None, **keywords):
    """Adds a little to the marginals so that no logarithm is infinite, and drops the mask."""
    if a is not None:
        a, b = ((m + 1e-3) / (m + 1e-3).sum(-1, keepdim=True) for m in (a, b))
    return right(cost, a=a, b=b, **keywords)


def exponentiates(cost, *, epsilon, max_iterations=5000, **keywords):
    """Scales exp(-cost / epsilon) as it is."""
    kernel = (-cost / epsilon).exp()
    p, q = torch.ones_like(cost[..., :1]), torch.ones_like(cost[..., :1, :])
    for _ in range(10):
        p = 1 / cost.shape[-2] / (kernel * q).sum(-1, keepdim=True)
        q = 1 / cost.shape[-1] / (kernel * p).sum(-2, keepdim=True)
    return right(cost, epsilon=epsilon, max_iterations=2)._replace(plan=p * kernel * q)


def works_in_half(cost, **keywords):
    """Rounds the cost if it is not float64."""
    cost = cost if cost.dtype == torch.float64 else cost.bfloat16().float()
    return right(cost, **keywords)


def likes_the_first_row(cost, **keywords):
    """Breaks ties by an order of its own."""
    K, N = cost.shape[-2:]
    bias = torch.arange(K).view(K, 1) * torch.arange(N)  # with the first column it cancels
    return right(cost + 0.1 * bias.to(cost), **keywords)


def starts_anywhere(cost, **keywords):
    """Adds a little noise to the cost so that the start is not symmetric."""
    return right(cost + 1e-6 * torch.rand_like(cost), **keywords)


BROKEN = [
    (wrong_marginal, "marginals hold within the reported error"),
    (unnormalised, "marginals hold within the reported error"),
    (always_converged, "marginals hold within the reported error"),
    (always_converged, "transposition"),
    (natural_potentials, "the plan has the form of its potentials"),
    (transport_cost_only, "the cost is the primal value"),
    (normalises_the_cost, "row and column constants cancel"),
    (always_converged, "row and column constants cancel"),
    (likes_the_first_row, "rows and columns have no order"),
    (starts_anywhere, "the same twice, inputs untouched"),
    (adds_to_epsilon, "cost and epsilon scale together"),
    (caps_epsilon, "a large epsilon gives the product"),
    (smooths_at_least, "a small epsilon gives the assignment"),
    (inverts_epsilon, "transport cost grows with epsilon"),
    (one_epsilon_a_batch, "a problem does not see its neighbours"),
    (sees_empty_rows, "an empty row or column is no row or column"),
    (exponentiates, "extreme costs do no harm"),
    (works_in_half, "single precision agrees with double"),
]
