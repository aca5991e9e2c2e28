"""Sinkhorn's loop over a block of problems.

With the kernel G_ij = exp(-(C_ij - shift) / epsilon), both domains look for S and T with

    S_i = (sum_j G_ij b_j / T_j) ** tau_a,    T_j = (sum_i G_ij a_i / S_i) ** tau_b;

the plan is (a_i / S_i) G_ij (b_j / T_j). Balanced transport has tau = 1; marginals relaxed by
rho * KL have tau = rho / (rho + epsilon) (Chizat et al. 2018, section 3). `ScalingDomain` holds S
and T themselves, `LogDomain` their logarithms.

Nothing here depends on what else is in the block: what a problem yields is taken when it has
converged, whether or not the loop goes on for the sake of others.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plp.aligners._log_domain import LogDomain
from plp.aligners._scaling_domain import ScalingDomain

# Iterations between looks at the error. Cosines at epsilon 0.1 mostly need four.
CHECK_EVERY = 4

Domain = ScalingDomain | LogDomain


class State(NamedTuple):
    """Where the iterations stand; S and T as the domain holds them."""

    S: Float[Tensor, "K 1 B"]
    T: Float[Tensor, "1 N B"]
    iterations: Int[Tensor, "1 1 B"]
    converged: Bool[Tensor, "1 1 B"]


class Solution(NamedTuple):
    """Solution of a block; `f` and `g` are in units of the cost."""

    plan: Float[Tensor, "K N B"]
    f: Float[Tensor, "K 1 B"]
    g: Float[Tensor, "1 N B"]
    row_sums: Float[Tensor, "K 1 B"]
    column_sums: Float[Tensor, "1 N B"]
    iterations: Int[Tensor, "1 1 B"]
    converged: Bool[Tensor, "1 1 B"]


def solve(domain: Domain, max_iterations: int, look: bool = True) -> Solution:
    """Solve every problem of a block.

    Args:
        domain: The block, ready to iterate; used up.
        max_iterations: Most iterations.
        look: Leave the loop once all have converged, and go on with the others when half have.
            Changes no number, but reads a value every few iterations, for which an accelerator is
            waited for: cheaper than the thousands of small operations of all iterations.
    """
    S = domain.rows(domain.start())
    state = _iterate(domain, S, domain.columns(S), 1, max_iterations, look)
    f, g = _potential(domain, state.S, 1), _potential(domain, state.T, 0)
    plan = domain.plan(state.S, state.T)
    sums = domain.sum(plan, 1), domain.sum(plan, 0)
    return Solution(plan, f, g, *sums, state.iterations, state.converged)


def _iterate(domain: Domain, S: Tensor, T: Tensor, done: int, last: int, look: bool) -> State:
    """Go on from S and T after `done` iterations; every result is that of its own convergence."""
    tolerance = domain.tolerance()
    active = torch.ones_like(tolerance, dtype=torch.bool)
    result = State(S, T, torch.zeros_like(active, dtype=torch.int64), ~active)
    while True:
        latest = domain.rows(T)
        if done % CHECK_EVERY == 0 or done == last:
            met = active & (domain.error(S, latest) <= tolerance)
            if done == last:
                return _taken(result, active, met, domain, S, T, latest, done)
            if not look or bool(met.any()):
                result = _taken(result, met, met, domain, S, T, latest, done)
                active = active & ~met
                left = active.flatten().nonzero()[:, 0] if look else None
                if left is not None and len(left) <= active.numel() // 2:
                    return _go_on_with(domain, left, latest, result, done, last)
        S = latest
        T = domain.columns(S)
        done += 1


def _go_on_with(
    domain: Domain, left: Tensor, S: Tensor, result: State, done: int, last: int
) -> State:
    """Finish the problems that are left, without carrying the others along."""
    if len(left):
        part, S = domain.take(left), S[..., left]
        rest = _iterate(part, S, part.columns(S), done + 1, last, look=True)
        for whole, piece in zip(result, rest, strict=True):
            whole[..., left] = piece
    return result


def _taken(
    result: State, taken: Tensor, met: Tensor, domain: Domain,
    S: Tensor, T: Tensor, latest: Tensor, done: int,
) -> State:  # fmt: skip
    """Put down where the problems `taken` stand after `done` iterations."""
    S = torch.where(domain.block.a > 0, S, latest)  # the error ignores rows without mass
    return State(
        torch.where(taken, S, result.S),
        torch.where(taken, T, result.T),
        torch.where(taken, done, result.iterations),
        result.converged | met,
    )


def _potential(domain: Domain, sums: Tensor, dim: int) -> Tensor:
    """Potential in units of the cost; zero for a row (column) without any pair."""
    block = domain.block
    potential = domain.log(sums).mul(-block.settings.epsilon)
    if dim == 1:
        potential = potential.add_(block.shift)
    return potential if block.exists is None else potential.where(block.exists[dim], 0.0)
