"""Half-precision weights of a frozen tower's linear layers, so that autocast need not cast them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from plp.towers.substitute import substitute
from plp.towers.weights_state import tensor_state

# Weights that these layers use for products and nothing else. Their subclasses may do more with
# them, and are left to autocast.
_PRODUCTS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.Linear: ("weight", "bias"),
    NonDynamicallyQuantizableLinear: ("weight", "bias"),
    nn.MultiheadAttention: (
        "in_proj_weight", "in_proj_bias", "q_proj_weight", "k_proj_weight", "v_proj_weight",
    ),
}  # fmt: skip


class _Weight(NamedTuple):
    """A weight to be rounded, and where it stands."""

    place: tuple[nn.Module, str]
    tensor: Tensor


class HalfCopy:
    """Runs a frozen network with its linear layers' weights in autocast's precision.

    Autocast casts the weights of a frozen layer anew in every call, into new memory: with short
    texts that takes longer than the products. Here they are rounded into memory that is kept, in a
    fifth of the time (docs/performance.md), and give the same numbers, because autocast would round
    the very same weights. Attention's own projections count as linear layers;
    everything else (norms, embeddings) is the network's own and stays in float32.

    Nothing is remembered of the weights' values, for a change in place cannot always be noticed
    (writes through `.data` or a NumPy view raise no version). They are rounded in every call, and
    the modules are put together in every call too, so that whatever was loaded, changed or replaced
    since the last one takes part. Weights that require a gradient are left to autocast, which
    passes it on.

    It is no module, so that the memory is in no state dict and does not move with the network.
    """

    def __init__(self) -> None:
        self._memory: tuple[Any, list[Tensor]] = (None, [])

    def of(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network itself outside autocast; inside, one that has half-precision weights.

        It serves the call it is made for. `torch.compile` gets the network itself: rounding into
        kept memory cannot be compiled.
        """
        if not torch.is_autocast_enabled(device.type) or torch.compiler.is_compiling():
            return network
        dtype = torch.get_autocast_dtype(device.type)
        weights = list(_weights(network, device))
        halves = self._rounded([weight.tensor for weight in weights], dtype)
        places = [weight.place for weight in weights]
        return substitute(network, dict(zip(places, halves, strict=True)))

    def _rounded(self, weights: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
        """Return the weights in another precision, in the memory of the last call where it fits.

        What a graph still holds of that call must keep its values. It does: where they may have
        changed in a way that autograd would notice, the memory is new.
        """
        made_for = dtype, [tensor_state(weight) for weight in weights]
        known, memory = self._memory
        with torch.inference_mode(False), torch.no_grad():
            if known != made_for:
                memory = [torch.empty_like(weight, dtype=dtype) for weight in weights]
                self._memory = made_for, memory
            if memory:
                torch._foreach_copy_(memory, weights)
            # `.data` has a version of its own: to a graph that holds the tensors of an earlier
            # call, writing the same values once more is no change.
            return [half.data for half in memory]

    def __deepcopy__(self, memo: dict[int, Any]) -> "HalfCopy":
        return HalfCopy()


def _weights(network: nn.Module, device: torch.device) -> Iterator[_Weight]:
    for layer in network.modules():
        for name in _PRODUCTS.get(type(layer), ()):
            tensor = layer._parameters.get(name)
            # What autocast rounds, of what no gradient is wanted for.
            if (
                tensor is not None
                and tensor.dtype == torch.float32
                and tensor.device.type == device.type
                and not tensor.requires_grad
            ):
                yield _Weight((layer, name), tensor)
