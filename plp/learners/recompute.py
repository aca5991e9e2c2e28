"""Gradient checkpointing that keeps nothing of a computation but its inputs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def recomputed(
    function: Callable[..., Tensor], *inputs: Tensor, held: Sequence[nn.Parameter] = ()
) -> Tensor:
    """Return `function(*inputs)`, computed once more in the backward pass for its gradient.

    `torch.utils.checkpoint` keeps the nodes of the first pass' graph (about 1 MiB for a text tower
    of 12 layers, which hundreds of parts of many classes add up to), or does not go with
    `torch.autograd.grad`. This keeps the inputs and does.

    Args:
        function: Differentiable with respect to its inputs and to `held`: tensors that it holds
            otherwise get no gradient. What it draws from torch's global generators is drawn again.
        inputs: Tensors.
        held: Parameters that the function reads itself.
    """
    if not held:
        return cast(Tensor, _Recomputed.apply(function, 0, *inputs))  # type: ignore[no-untyped-call]
    return cast(
        Tensor,
        _Recomputed.apply(function, len(held), *held, *inputs),  # type: ignore[no-untyped-call]
    )


class _Recomputed(torch.autograd.Function):
    """The function of `recomputed`."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Tensor], held: int, *inputs: Tensor) -> Tensor:
        ctx.function, ctx.held = function, held
        ctx.save_for_backward(*inputs)
        if held:  # parameters of tuners, which may drop inputs at random
            ctx.random = _random_states(inputs)
        return function(*inputs[held:])

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        needed, held = ctx.needs_input_grad[2:], ctx.held
        parameters = ctx.saved_tensors[:held]  # themselves: the function reads no copies
        pairs = zip(ctx.saved_tensors[held:], needed[held:], strict=True)
        inputs = [tensor.detach().requires_grad_(need) for tensor, need in pairs]
        with torch.enable_grad(), _same_random(ctx.random if held else None):
            out = ctx.function(*inputs)
        learned = [tensor for tensor in (*parameters, *inputs) if tensor.requires_grad]
        found = iter(torch.autograd.grad(out, learned, grads, allow_unused=True))
        return None, None, *(next(found) if need else None for need in needed)


_States = tuple[Tensor, dict[torch.device, Tensor]]


def _random_states(tensors: Sequence[Tensor]) -> _States:
    devices = {tensor.device for tensor in tensors if tensor.is_cuda}
    return torch.get_rng_state(), {one: torch.cuda.get_rng_state(one) for one in devices}


@contextmanager
def _same_random(states: _States | None) -> Iterator[None]:
    """Draw the same numbers as when `states` were taken; the generators go on as they were."""
    if states is None:
        yield
        return
    with torch.random.fork_rng(devices=[device.index for device in states[1]]):
        torch.set_rng_state(states[0])
        for device, state in states[1].items():
            torch.cuda.set_rng_state(state, device)
        yield
