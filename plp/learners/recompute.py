"""Gradient checkpointing that keeps nothing of a computation but its inputs."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def recomputed(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Return `function(*inputs)`, computed once more in the backward pass for its gradient.

    `torch.utils.checkpoint` keeps the nodes of the first pass' graph (about 1 MiB for a text tower
    of 12 layers, which hundreds of parts of many classes add up to), or does not go with
    `torch.autograd.grad`. This keeps the inputs and does.

    Args:
        function: Deterministic, and differentiable with respect to its inputs only: tensors that
            it holds otherwise get no gradient.
        inputs: Tensors.
    """
    return cast(Tensor, _Recomputed.apply(function, *inputs))  # type: ignore[no-untyped-call]


class _Recomputed(torch.autograd.Function):
    """The function of `recomputed`."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        ctx.function = function
        ctx.save_for_backward(*inputs)
        return function(*inputs)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        needed = ctx.needs_input_grad[1:]
        pairs = zip(ctx.saved_tensors, needed, strict=True)
        inputs = [tensor.detach().requires_grad_(need) for tensor, need in pairs]
        with torch.enable_grad():
            out = ctx.function(*inputs)
        learned = [tensor for tensor in inputs if tensor.requires_grad]
        found = iter(torch.autograd.grad(out, learned, grads, allow_unused=True))
        return None, *(next(found) if need else None for need in needed)
