"""The solver of small problems as one kernel on a GPU, as a PyTorch operator.

Reads the costs once, iterates in registers, writes the solution once. Same arguments and outputs as
`_solver.entropic_transport`, which is its oracle and its fallback.
"""

import importlib.util
import os

import torch
from torch import Tensor

from plp.aligners._iterations import CHECK_EVERY
from plp.aligners._problem import Problem
from plp.aligners._solver import (
    SCALING_LIMIT,
    SCHEMA,
    Outputs,
    checked_marginal,
    mapped,
    output_shapes,
)
from plp.errors import ConfigError

# Padded pairs a problem may have; more leave the registers of a warp.
LARGEST_FUSED = 1024
# Padded pairs in the registers of one thread: costs, and as much again for what is done with them.
PAIRS_A_THREAD = 64
WARP = 32


@torch.library.custom_op("plp::fused_entropic_transport", mutates_args=(), schema=SCHEMA)
def fused_entropic_transport(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    epsilon: float,
    tau_a: float,
    tau_b: float,
    max_iterations: int,
    tolerance: float,
) -> Outputs:
    """Solve as `entropic_transport` does: float32, and problems for which `fits` holds."""
    from plp.aligners._fused_kernel import entropic_kernel

    K, N = cost.shape[-2:]
    outputs = output_shapes(cost, a, b)
    rows, columns = (checked_marginal(m.reshape(-1, m.shape[-1])) for m in (a, b))
    costs = _aligned(cost.reshape(-1, K, N))
    constants = kernel_constants(K, N, tau_a, tau_b)
    programs = -(-len(costs) // constants["TILE"])
    if programs == 0:
        return outputs
    with torch.cuda.device_of(cost):
        entropic_kernel[(programs,)](
            costs, rows, columns, *outputs, len(costs), *rows.stride(), *columns.stride(),
            epsilon, tau_a, tau_b, tolerance, max_iterations, **constants, num_warps=1,
        )  # fmt: skip
    return outputs


fused_entropic_transport.register_fake(output_shapes)
fused_entropic_transport.register_vmap(mapped(fused_entropic_transport))


def fits(problem: Problem) -> bool:
    """Whether the kernel can solve these problems: small ones, in float32.

    Raises:
        ConfigError: if there is no GPU under the costs, or no Triton.
    """
    _check_available(problem.cost.device)
    K, N = problem.cost.shape[-2:]
    return problem.cost.dtype == torch.float32 and _padded(K) * _padded(N) <= LARGEST_FUSED


def kernel_constants(K: int, N: int, tau_a: float, tau_b: float) -> dict[str, int | float]:
    """What the kernel is compiled for; must not depend on how many problems there are.

    A program is one warp; its tile is as many problems as its registers hold.
    """
    pairs = _padded(K) * _padded(N)
    return dict(
        K=K,
        N=N,
        K_PADDED=_padded(K),
        N_PADDED=_padded(N),
        TILE=max(1, min(WARP, WARP * PAIRS_A_THREAD // pairs)),
        CHECK_EVERY=CHECK_EVERY,
        SCALING_LIMIT=SCALING_LIMIT,
        RELAXED_A=tau_a != 1.0,
        RELAXED_B=tau_b != 1.0,
    )


def _check_available(device: torch.device) -> None:
    if importlib.util.find_spec("triton") is None:
        raise ConfigError(
            "implementation='fused' needs Triton, which is not installed: pip install triton "
            "(Linux; it comes with torch's builds for GPUs), or use implementation='plain'"
        )
    if device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        raise ConfigError(
            f"implementation='fused' needs tensors on a CUDA device, got {device}: move them "
            "there, or use implementation='plain'. (TRITON_INTERPRET=1 in the environment runs "
            "the kernel on the CPU, slowly, to check it)"
        )


def _padded(size: int) -> int:
    """Next power of two."""
    return 1 << (size - 1).bit_length()


def _aligned(costs: Tensor) -> Tensor:
    """Without gaps, and beginning where the kernel's code for whole words begins."""
    costs = costs.contiguous()
    return costs if costs.data_ptr() % 16 == 0 else costs.clone()
