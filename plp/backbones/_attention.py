"""The lines that both towers share: a packed projection, heads apart, heads together."""

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


def project_packed(
    attention: nn.MultiheadAttention, tokens: Float[Tensor, "*batch W"], first: int, last: int
) -> Float[Tensor, "*batch X"]:
    """Apply parts `first` up to `last` of the packed projection: 0 query, 1 key, 2 value."""
    width = tokens.shape[-1]
    rows = slice(first * width, last * width)
    bias = None if attention.in_proj_bias is None else attention.in_proj_bias[rows]
    return F.linear(tokens, attention.in_proj_weight[rows], bias)


def project_in(
    attention: nn.MultiheadAttention, tokens: Float[Tensor, "M L W"], first: int, last: int
) -> list[Float[Tensor, "M L W"]]:
    """Apply parts of the packed projection, one tensor each; see `project_packed`."""
    packed = project_packed(attention, tokens, first, last)
    return list(packed.chunk(last - first, dim=-1))


def attend(
    query: Float[Tensor, "M Q W"],
    key: Float[Tensor, "M L W"],
    value: Float[Tensor, "M L W"],
    heads: int,
    causal: bool = False,
    mask: Bool[Tensor, "M #h #Q L"] | None = None,  # noqa: F821 - ruff reads it as code
) -> Float[Tensor, "M Q W"]:
    """Multi-head attention between projected tokens, before the output projection.

    Args:
        query: Projected queries.
        key: Projected keys.
        value: Projected values.
        heads: Heads that the width is split into.
        causal: A token sees itself and what stands before it.
        mask: True where a query may look.
    """
    query, key, value = (
        part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (query, key, value)
    )
    mix = partial(F.scaled_dot_product_attention, attn_mask=mask, is_causal=causal)
    if query.device.type == "cpu" and query.itemsize == 2 and query.requires_grad:
        # On a CPU the gradient of attention takes ten times as long in half precision.
        with torch.autocast("cpu", enabled=False):
            mixed = mix(query.float(), key.float(), value.float())
    else:
        mixed = mix(query, key, value)
    return mixed.transpose(1, 2).flatten(2)
