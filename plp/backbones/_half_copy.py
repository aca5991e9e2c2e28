"""Half-precision copies of a frozen tower's linear layers, so that autocast casts them once."""

import copy
from typing import Any

import torch
from torch import nn


class HalfCopy:
    """Keeps a copy of a frozen network with its linear layers in autocast's precision.

    Autocast casts the weights of a frozen layer anew in every call: with short texts that takes
    longer than the products. The copy gives the same numbers, because autocast would round the very
    same weights. Attention's own projections count as linear layers; everything else (norms,
    embeddings) stays in float32, as autocast has it.

    It is no module, so that the copy is in no state dict and does not move with the network: it is
    made anew for another device or precision.
    """

    def __init__(self) -> None:
        self._copy: nn.Module | None = None
        self._made_for: Any = None

    def of(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network itself outside autocast, its half-precision copy inside.

        `torch.compile` gets the network itself: copying cannot be compiled.
        """
        if not torch.is_autocast_enabled(device.type) or torch.compiler.is_compiling():
            return network
        dtype = torch.get_autocast_dtype(device.type)
        if self._copy is None or self._made_for != (id(network), device, dtype):
            self._copy = copy.deepcopy(network)
            for layer in self._copy.modules():
                if isinstance(layer, nn.Linear | nn.MultiheadAttention):
                    layer.to(dtype)
            self._made_for = (id(network), device, dtype)
        return self._copy

    def __deepcopy__(self, memo: dict[int, Any]) -> "HalfCopy":
        return HalfCopy()
