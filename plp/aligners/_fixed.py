"""The solver as plain tensor operations, a fixed number of iterations: for programs that leave plp.

Same arguments and outputs as `_solver.entropic_transport`, which is its oracle.
"""

import torch
from torch import Tensor

from plp.aligners._solver import Outputs

_LOWEST = -1e30  # log-sum of a row without any pair: finite, so that -inf - -inf does not come up


def fixed_transport(
    cost: Tensor, a: Tensor, b: Tensor, epsilon: float, tau_a: float, tau_b: float,
    max_iterations: int, tolerance: float,
) -> Outputs:  # fmt: skip
    """Run `max_iterations` log-domain iterations, whatever the values are.

    Nothing is looked at, nothing is overwritten, and no size of the batch is in it, so that a
    traced program is right for every batch. A problem that has converged moves on by less than its
    tolerance; `iterations` is the same number for all.

    Args:
        cost: [*batch, K, N], float32 or float64; +inf where a pair does not exist.
        a: [*batch, K] row marginals.
        b: [*batch, N] column marginals.
        epsilon: Entropic regularisation.
        tau_a: 1 for kept row marginals, rho / (rho + epsilon) for relaxed ones.
        tau_b: Likewise for columns.
        max_iterations: Number of iterations.
        tolerance: For `converged` alone.
    """
    kernel, pairs = -cost / epsilon, cost < torch.inf
    log_a, log_b = a.log()[..., :, None], b.log()[..., None, :]
    S, T = torch.zeros_like(log_a), torch.zeros_like(log_b)
    for _ in range(max_iterations):
        S = tau_a * _log_sum(kernel + (log_b - T), -1)
        T = tau_b * _log_sum(kernel + (log_a - S), -2)
    plan = (kernel + (log_a - S) + (log_b - T)).exp()
    rows, columns = pairs.any(-1), pairs.any(-2)
    change = tau_a * _log_sum(kernel + (log_b - T), -1) - S
    error = (a * change[..., 0].clamp(max=80.0).expm1().abs()).sum(-1)
    stuck = a.masked_fill(rows, 0.0).sum(-1) + b.masked_fill(columns, 0.0).sum(-1)
    return (
        plan,
        (-epsilon * S[..., 0]).masked_fill(~rows, 0.0),
        (-epsilon * T[..., 0, :]).masked_fill(~columns, 0.0),
        plan.sum(-1),
        plan.sum(-2),
        torch.full_like(error, max_iterations, dtype=torch.int64),
        error + stuck <= tolerance,
    )


def _log_sum(exponents: Tensor, dim: int) -> Tensor:
    return exponents.logsumexp(dim, keepdim=True).clamp_min(_LOWEST)
