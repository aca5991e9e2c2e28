"""Whether weights are still the ones that something was made from."""

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

_ROW = 1021  # a prime: whole rows of a weight matrix that change places change the sums
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes of a value


def tensor_state(tensor: Tensor) -> tuple[Any, ...]:
    """Return what differs once a tensor is changed in place, moved, or given other memory.

    It reads none of the values, and therefore does not see writes that bypass autograd, through
    `.data` or a NumPy view; `weights_mark` does.
    """
    version = None if tensor.is_inference() else tensor._version  # such tensors have none
    return tensor.data_ptr(), version, tensor.shape, tensor.stride(), tensor.device


def parameter_states(module: nn.Module) -> tuple[Any, ...]:
    """Return the `tensor_state` of every parameter of a module, however deep.

    Walks by hand: `Module.parameters` puts every name together first, which takes longer than all
    the rest of a call that finds its texts kept. Nothing is remembered between calls, so that
    modules and parameters that were replaced count.
    """
    states: list[Any] = []
    left: list[nn.Module | None] = [module]
    done: set[nn.Module] = set()
    while left:
        here = left.pop()
        if here is None or here in done:
            continue
        done.add(here)
        states += [tensor_state(own) for own in here._parameters.values() if own is not None]
        left += here._modules.values()
    return tuple(states)


def weights_mark(module: nn.Module) -> str:
    """Return a digest that differs once any value of a module differs, however it was changed.

    Sums of the bit patterns, exact and the same on every device, in place of the values themselves:
    a seventh of the time that SHA-256 takes over all of them. Good for noticing a change, not for
    naming weights.
    """
    digest = hashlib.sha256()
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        values = tensor.detach().contiguous().reshape(-1)
        bits = values.view(_INTEGERS.get(values.element_size(), torch.uint8))
        whole = len(bits) // _ROW * _ROW
        sums = bits[:whole].view(-1, _ROW).sum(0, dtype=torch.int64)
        rest = bits[whole:].to(torch.int64)
        digest.update(torch.cat([sums, rest]).cpu().numpy().tobytes())
    return digest.hexdigest()
