"""QuickGELU, x sigmoid(1.702 x), in one pass and with one tensor kept for the gradient."""

from typing import Any, cast

import torch
from jaxtyping import Float
from open_clip.transformer import QuickGELU
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 1.702


class LeanQuickGELU(nn.Module):
    """QuickGELU as silu(a x) / a with a = 1.702: the same function.

    Written out, it is three passes over the widest tensors of a tower, two of which are kept for
    the gradient. Here it is the fused silu, and only x is kept.
    """

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Apply the activation."""
        return cast(Tensor, _QuickGELU.apply(x))  # type: ignore[no-untyped-call]


def use_lean_quick_gelu(model: nn.Module, kind: type[nn.Module] = QuickGELU) -> None:
    """Put `LeanQuickGELU` wherever a model has its library's own QuickGELU, open_clip's by default.

    Args:
        model: The model, changed in place.
        kind: The library's class.
    """
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is kind:
                setattr(module, name, LeanQuickGELU())


class _QuickGELU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return F.silu(x * _SLOPE, inplace=True).mul_(1 / _SLOPE)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # of a gradient's gradient; silu_backward has none
            gate = torch.sigmoid(x * _SLOPE)
            return grads[0] * gate * (1 + x * _SLOPE * (1 - gate))
        return torch.ops.aten.silu_backward(grads[0], x * _SLOPE)
