"""The solver behind every entropic aligner, as one PyTorch operator.

As an operator it may look at its data on the CPU (leave early, pick the domain problem by problem)
and still be opaque to `torch.compile` and exact under `torch.vmap`.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from plp.aligners._block import Block, SolverSettings, is_large
from plp.aligners._iterations import Domain, solve
from plp.aligners._log_domain import LogDomain
from plp.aligners._problem import Solution
from plp.aligners._scaling_domain import ScalingDomain
from plp.errors import ConfigError

# Above this spread of (C - shift) / epsilon the scalings leave what float32 holds exactly.
SCALING_LIMIT = 30.0
# Pairs a block holds: as many as fit into a core's second-level cache.
BLOCK_ELEMENTS = 1 << 18
_MASS_TOLERANCE = 0.01  # 196 equal shares in bfloat16 sum to 1.002

Outputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


@torch.library.custom_op(
    "plp::entropic_transport",
    mutates_args=(),
    schema="(Tensor cost, Tensor a, Tensor b, float epsilon, float tau_a, float tau_b, "
    "int max_iterations, float tolerance) -> "
    "(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def entropic_transport(cost: Tensor, a: Tensor, b: Tensor, *settings: Any) -> Outputs:
    """Solve entropic transport problems that share nothing but their size.

    Args:
        cost: [*batch, K, N], float32 or float64; +inf where a pair does not exist.
        a: [*batch, K] row marginals, same leading shape.
        b: [*batch, N] column marginals.
        *settings: Those of `SolverSettings`.

    Returns:
        The fields of `Solution`.
    """
    problems = cost.reshape(-1, *cost.shape[-2:])
    marginals = a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1])
    outputs = _outputs(cost, a, b)
    flat = [output.view(len(problems), *output.shape[cost.ndim - 2 :]) for output in outputs]
    width = _width(problems)
    with torch.autocast(cost.device.type, enabled=False):
        for first in range(0, len(problems), width):
            part = slice(first, first + width)
            tensors = problems[part], marginals[0][part], marginals[1][part]
            for chosen, domain in _domains(_block(*tensors, SolverSettings(*settings))):
                _store([output[part] for output in flat], chosen, solve(domain))
    return outputs


@entropic_transport.register_fake
def _outputs(cost: Tensor, a: Tensor, b: Tensor, *settings: Any) -> Outputs:
    """Room for the outputs."""
    new, batch = cost.new_empty, cost.shape[:-2]
    sums = new(a.shape), new(b.shape)
    done = new(batch, dtype=torch.int64), new(batch, dtype=torch.bool)
    return (new(cost.shape), new(a.shape), new(b.shape), *sums, *done)


@entropic_transport.register_vmap
def _mapped(
    info: Any, in_dims: Sequence[int | None], *inputs: Any
) -> tuple[Outputs, tuple[int, ...]]:
    """Solve with one more leading axis."""
    tensors = [
        x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)
        for x, dim in zip(inputs[:3], in_dims[:3], strict=True)
    ]
    return entropic_transport(*tensors, *inputs[3:]), (0,) * 7


def _width(problems: Tensor) -> int:
    """Problems a block holds; all of them on an accelerator."""
    count, K, N = problems.shape
    if problems.device.type != "cpu":
        return max(count, 1)
    return 1 if is_large(K, N) else max(16, BLOCK_ELEMENTS // (K * N))


def _block(problems: Tensor, a: Tensor, b: Tensor, settings: SolverSettings) -> Block:
    """Lay problems out with the batch on the last axis; choose what to subtract from the costs.

    A constant added to the cost leaves a balanced plan as it is; a relaxed one it does not.
    """
    count, K, N = problems.shape
    cost = problems.reshape(count, K * N).T.clone(memory_format=torch.contiguous_format)
    cost = cost.view(K, N, count)  # a copy even of one problem: the domain overwrites it
    smallest, largest = cost.amin((0, 1), keepdim=True), cost.amax((0, 1), keepdim=True)
    exists = None
    if cost.device.type != "cpu" or not bool((largest < math.inf).all()):
        finite = cost < math.inf
        exists = finite.any(0, keepdim=True), finite.any(1, keepdim=True)
        largest = torch.where(finite, cost, -math.inf).amax((0, 1), keepdim=True)
        empty = smallest == math.inf
        smallest, largest = smallest.masked_fill(empty, 0.0), largest.masked_fill(empty, 0.0)
    a, b = _checked_marginal(a.T.contiguous()), _checked_marginal(b.T.contiguous())
    if settings.tau_a == 1.0 and settings.tau_b == 1.0:
        _check_masses(a, b)
        shift, spread = smallest, largest - smallest
    else:
        shift, spread = torch.zeros_like(smallest), torch.maximum(smallest.abs(), largest.abs())
    spread = spread / settings.epsilon
    return Block(cost, a.view(K, 1, count), b.view(1, N, count), shift, spread, exists, settings)


def _checked_marginal(marginal: Tensor) -> Tensor:
    """Raise ConfigError for a negative marginal, where looking costs no wait."""
    if marginal.device.type == "cpu" and not bool((marginal >= 0).all()):
        raise ConfigError(
            f"expected marginals >= 0, got {float(marginal.amin()):g}; they are shares of a mass, "
            "not log-weights"
        )
    return marginal


def _check_masses(a: Tensor, b: Tensor) -> None:
    """Raise ConfigError where balanced marginals differ in mass: no plan has both."""
    rows, columns = a.sum(0), b.sum(0)
    if a.device.type != "cpu" or bool(((rows - columns).abs() <= _MASS_TOLERANCE).all()):
        return
    worst = int((rows - columns).abs().argmax())
    raise ConfigError(
        f"expected marginals a and b of the same mass, got {float(rows[worst]):g} and "
        f"{float(columns[worst]):g} (problem {worst}); divide each by its sum, or use "
        "unbalanced_sinkhorn or partial_sinkhorn"
    )


def _domains(block: Block) -> Iterator[tuple[Tensor | None, Domain]]:
    """Choose the domain of each problem, and say which problems of the block are in it.

    On an accelerator all are solved in the log domain: to choose by value would make blocks small.
    """
    if block.cost.device.type != "cpu":
        yield None, LogDomain(block)
        return
    narrow = (block.spread <= SCALING_LIMIT) & _is_rectangular(block)
    if bool(narrow.all()):
        yield None, ScalingDomain(block)
    elif not bool(narrow.any()):
        yield None, LogDomain(block)
    else:
        for domain, members in ((ScalingDomain, narrow), (LogDomain, ~narrow)):
            chosen = members.flatten().nonzero()[:, 0]
            yield chosen, domain(block.take(chosen))


def _is_rectangular(block: Block) -> Tensor:
    """Whether the pairs that exist are all pairs of some rows and some columns.

    Otherwise the scalings of even a narrow problem can grow without bound.
    """
    if block.exists is None:
        return torch.ones_like(block.shift, dtype=torch.bool)
    columns, rows = block.exists
    agrees = (block.cost < math.inf) == (rows & columns)
    return agrees.all(0, keepdim=True).all(1, keepdim=True)


def _store(outputs: Sequence[Tensor], chosen: Tensor | None, solution: Solution) -> None:
    """Write a solution, problems on the last axis, into outputs with problems on the first."""
    for output, values in zip(outputs, solution, strict=True):
        rows = values.flatten(0, 1).T  # [B, ..]
        if chosen is None:
            output.view(rows.shape).copy_(rows)
        else:
            output.view(len(output), -1)[chosen] = rows
