"""Sinkhorn's iterations, written once: over a block of problems, or in a graph.

With the kernel G_ij = exp(-(C_ij - shift) / epsilon), every domain looks for S and T with

    S_i = (sum_j G_ij b_j / T_j) ** tau_a,    T_j = (sum_i G_ij a_i / S_i) ** tau_b;

the plan is (a_i / S_i) G_ij (b_j / T_j). Balanced transport has tau = 1; marginals relaxed by
rho * KL have tau = rho / (rho + epsilon) (Chizat et al. 2018, section 3). `ScalingDomain` holds S
and T themselves, `LogDomain` and `GraphDomain` their logarithms.

Nothing here depends on what else is in the batch: what a problem yields is taken when it has
converged, whether or not the loop goes on for the sake of others.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from plp.aligners._graph_domain import GraphDomain
from plp.aligners._log_domain import LogDomain
from plp.aligners._problem import Solution
from plp.aligners._scaling_domain import ScalingDomain

# Iterations between looks at the error. Cosines at epsilon 0.1 mostly need four.
CHECK_EVERY = 4

Domain = ScalingDomain | LogDomain


class State(NamedTuple):
    """Where the iterations stand; S and T as the domain holds them, a value per problem else."""

    S: Tensor
    T: Tensor
    iterations: Tensor
    converged: Tensor


def solve(domain: Domain, look: bool = True) -> Solution:
    """Solve every problem of a block, which is used up.

    Args:
        domain: The block, ready to iterate.
        look: Leave the loop once all have converged, and go on with the others when half have.
            Changes no number, but reads a value every few iterations, for which an accelerator is
            waited for: cheaper than the thousands of small operations of all iterations.
    """
    S, T, *done = iterate(domain, CHECK_EVERY, look)
    f, g = _potential(domain, S, 1), _potential(domain, T, 0)
    plan = domain.plan(S, T)
    return Solution(plan, f, g, domain.sum(plan, 1), domain.sum(plan, 0), *done)


def iterate(domain: Domain | GraphDomain, check_every: int, look: bool) -> State:
    """Iterate until all problems have converged, or `max_iterations` times.

    At every `check_every`-th iteration, problems that have converged are frozen: in a graph, their
    gradient is that of the iterations they needed.
    """
    return _iterate(domain, domain.rows(domain.start()), 1, check_every, look)


def _iterate(
    domain: Domain | GraphDomain, S: Tensor, done: int, check_every: int, look: bool
) -> State:
    """Go on from S of iteration `done`; every result is that of its own convergence."""
    T = domain.columns(S)
    tolerance, last = domain.tolerance(), domain.settings.max_iterations
    active = torch.ones_like(tolerance, dtype=torch.bool)
    result = State(S, T, torch.zeros_like(active, dtype=torch.int64), ~active)
    while True:
        latest = domain.rows(T)
        if done % check_every == 0 or done == last:
            met = active & (domain.error(S, latest) <= tolerance)
            if done == last or not look or bool(met.any()):
                taken = active if done == last else met
                settled = torch.where(domain.a > 0, S, latest)  # the error ignores rows of no mass
                result = State(
                    torch.where(taken, settled, result.S),
                    torch.where(taken, T, result.T),
                    torch.where(taken, done, result.iterations),
                    result.converged | met,
                )
                if done == last:
                    return result
                active = active & ~met
                if look and not isinstance(domain, GraphDomain):
                    left = active.flatten().nonzero()[:, 0]
                    if len(left) <= active.numel() // 2:
                        return _go_on_with(domain, left, latest, result, done + 1)
        S = latest
        T = domain.columns(S)
        done += 1


def _go_on_with(domain: Domain, left: Tensor, S: Tensor, result: State, done: int) -> State:
    """Finish the problems that are left, without carrying the others along."""
    if len(left):
        rest = _iterate(domain.take(left), S[..., left], done, CHECK_EVERY, look=True)
        for whole, piece in zip(result, rest, strict=True):
            whole[..., left] = piece
    return result


def _potential(domain: Domain, sums: Tensor, dim: int) -> Tensor:
    """Potential in units of the cost; zero for a row (column) without any pair."""
    block = domain.block
    potential = domain.log(sums).mul(-domain.settings.epsilon)
    if dim == 1:
        potential = potential.add_(block.shift)
    return potential if block.exists is None else potential.where(block.exists[dim], 0.0)
