"""The solver behind every entropic aligner, as one PyTorch operator.

As an operator it may look at its data on the CPU (leave early, pick the domain problem by problem)
and still be opaque to `torch.compile` and exact under `torch.vmap`.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from plp.aligners._iterations import (
    Block,
    LogDomain,
    ScalingDomain,
    Solution,
    is_large,
    run,
)
from plp.errors import ConfigError

# Above this spread of (C - shift) / epsilon the scalings leave what float32 holds exactly.
SCALING_LIMIT = 30.0
# Pairs a block holds: as many as fit into a core's second-level cache.
BLOCK_ELEMENTS = 1 << 16


@torch.library.custom_op(
    "plp::entropic_transport",
    mutates_args=(),
    schema="(Tensor cost, Tensor a, Tensor b, float epsilon, float tau_a, float tau_b, "
    "int max_iterations, float tolerance) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def entropic_transport(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    epsilon: float,
    tau_a: float,
    tau_b: float,
    max_iterations: int,
    tolerance: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Solve entropic transport problems that share nothing but their size.

    Args:
        cost: [*batch, K, N], float32 or float64; +inf where a pair does not exist.
        a: [*batch, K] row marginals, same leading shape.
        b: [*batch, N] column marginals.
        epsilon: Entropic regularisation.
        tau_a: 1 for kept row marginals, rho / (rho + epsilon) for relaxed ones.
        tau_b: Likewise for columns.
        max_iterations: Most iterations.
        tolerance: On the L1 error of the row marginals.

    Returns:
        Plan [*batch, K, N], potentials [*batch, K] and [*batch, N], iterations and convergence
        [*batch].
    """
    batch = cost.shape[:-2]
    K, N = cost.shape[-2:]
    problems = cost.reshape(-1, K, N)
    marginals = a.reshape(-1, K), b.reshape(-1, N)
    _check_marginals(*marginals)
    settings = (epsilon, tau_a, tau_b)
    shift, spread = _shift_and_spread(problems, balanced=tau_a == 1.0 and tau_b == 1.0)
    outputs = _allocate(problems)
    with torch.autocast(cost.device.type, enabled=False):
        for chosen, domain in _blocks(problems, spread / epsilon):
            block = Block(
                problems[chosen].permute(1, 2, 0).contiguous(),
                marginals[0][chosen].T.contiguous(),
                marginals[1][chosen].T.contiguous(),
                shift[chosen],
                domain.reachable(tolerance, spread[chosen] / epsilon),
                *settings,
            )
            on_cpu = cost.device.type == "cpu"
            _store(outputs, chosen, run(block, domain(block), max_iterations, stop_early=on_cpu))
    plan, f, g, iterations, converged = outputs
    return (
        plan.view(*batch, K, N),
        f.view(*batch, K),
        g.view(*batch, N),
        iterations.view(batch),
        converged.view(batch),
    )


@entropic_transport.register_fake
def _shapes(
    cost: Tensor, a: Tensor, b: Tensor, *settings: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch = cost.shape[:-2]
    return (
        cost.new_empty(cost.shape),
        cost.new_empty(a.shape),
        cost.new_empty(b.shape),
        cost.new_empty(batch, dtype=torch.int64),
        cost.new_empty(batch, dtype=torch.bool),
    )


@entropic_transport.register_vmap
def _vmap(
    info: Any, in_dims: Sequence[int | None], *inputs: Any
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    size = info.batch_size
    tensors = [
        x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)
        for x, dim in zip(inputs[:3], in_dims[:3], strict=True)
    ]
    return entropic_transport(*tensors, *inputs[3:]), (0,) * 5


def _check_marginals(*marginals: Tensor) -> None:
    """Raise ConfigError for a negative marginal, where looking costs no wait."""
    for marginal in marginals:
        if marginal.device.type == "cpu" and not bool((marginal >= 0).all()):
            raise ConfigError(
                f"expected marginals >= 0, got {float(marginal.min()):g}; they are shares of a "
                "mass, not log-weights"
            )


def _shift_and_spread(problems: Tensor, balanced: bool) -> tuple[Tensor, Tensor]:
    """Cost to subtract, and the largest distance of a finite cost from it, of each problem.

    A constant added to the cost leaves a balanced plan as it is; a relaxed one it does not.
    """
    smallest, largest = problems.amin((1, 2)), problems.amax((1, 2))
    if problems.device.type != "cpu" or bool((largest == math.inf).any()):
        exists = problems < math.inf
        largest = torch.where(exists, problems, -math.inf).amax((1, 2))
    empty = smallest == math.inf
    smallest, largest = smallest.masked_fill(empty, 0.0), largest.masked_fill(empty, 0.0)
    if balanced:
        return smallest, largest - smallest
    return torch.zeros_like(smallest), torch.maximum(smallest.abs(), largest.abs())


def _blocks(
    problems: Tensor, spread: Tensor
) -> Iterator[tuple[Tensor | slice, type[ScalingDomain] | type[LogDomain]]]:
    """Split the problems into blocks of one domain each.

    On an accelerator there is one block, in the log domain: a choice by value would wait for it.
    """
    count, K, N = problems.shape
    if problems.device.type != "cpu":
        yield slice(None), LogDomain
        return
    width = 1 if is_large(K, N) else max(16, BLOCK_ELEMENTS // (K * N))
    narrow = (spread <= SCALING_LIMIT) & _is_rectangular(problems)
    if bool(narrow.all()):
        for first in range(0, count, width):
            yield slice(first, first + width), ScalingDomain
        return
    for domain, members in ((ScalingDomain, narrow), (LogDomain, ~narrow)):
        for chosen in members.nonzero()[:, 0].split(width):
            if len(chosen):
                yield chosen, domain


def _is_rectangular(problems: Tensor) -> Tensor:
    """Whether the pairs that exist are all pairs of some rows and some columns.

    Otherwise the scalings of even a narrow problem can grow without bound.
    """
    missing = problems == math.inf
    if not bool(missing.any()):
        return torch.ones(len(problems), dtype=torch.bool)
    rows, columns = missing.all(2, keepdim=True), missing.all(1, keepdim=True)
    return (missing == (rows | columns)).all(2).all(1)


def _allocate(problems: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    count, K, N = problems.shape
    return (
        problems.new_empty(count, K, N),
        problems.new_empty(count, K),
        problems.new_empty(count, N),
        problems.new_empty(count, dtype=torch.int64),
        problems.new_empty(count, dtype=torch.bool),
    )


def _store(outputs: tuple[Tensor, ...], chosen: Tensor | slice, solution: Solution) -> None:
    plan, f, g, iterations, converged = outputs
    plan[chosen] = solution.plan.permute(2, 0, 1)
    f[chosen], g[chosen] = solution.f.T, solution.g.T
    iterations[chosen], converged[chosen] = solution.iterations, solution.converged
