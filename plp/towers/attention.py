"""The lines that all towers share: a packed projection, heads apart, heads together."""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def project_packed(
    attention: Any, tokens: Float[Tensor, "*batch W"], first: int, last: int
) -> Float[Tensor, "*batch X"]:
    """Apply parts `first` up to `last` of the packed projection: 0 query, 1 key, 2 value.

    `attention` is torch's `MultiheadAttention` or open_clip's, which pack it alike.
    """
    width = tokens.shape[-1]
    rows = slice(first * width, last * width)
    bias = None if attention.in_proj_bias is None else attention.in_proj_bias[rows]
    return F.linear(tokens, attention.in_proj_weight[rows], bias)


def by_head(part: Float[Tensor, "..."], heads: int) -> Float[Tensor, "M h L d"]:
    """Split [M, L, W] into heads; a tensor that is split already comes back as it is."""
    return part if part.ndim == 4 else part.unflatten(-1, (heads, -1)).transpose(1, 2)


def attend(
    query: Float[Tensor, "..."],
    key: Float[Tensor, "..."],
    value: Float[Tensor, "..."],
    heads: int,
    causal: bool = False,
    mask: Bool[Tensor, "..."] | Float[Tensor, "..."] | None = None,
) -> Float[Tensor, "M Q W"]:
    """Multi-head attention between projected tokens, before the output projection.

    Args:
        query: Projected queries, [M, Q, W], or split by head, [M, h, Q, d].
        key: Projected keys, likewise.
        value: Projected values, likewise.
        heads: Heads that the width is split into.
        causal: A token sees itself and what stands before it.
        mask: [M, h, Q, L] or what broadcasts to it: True where a query may look, or numbers that
            are added to the scores.
    """
    query, key, value = (by_head(part, heads) for part in (query, key, value))
    mix = partial(F.scaled_dot_product_attention, attn_mask=mask, is_causal=causal)
    if query.device.type == "cpu" and query.itemsize == 2 and query.requires_grad:
        # On a CPU the gradient of attention takes ten times as long in half precision.
        with torch.autocast("cpu", enabled=False):
            mixed = mix(query.float(), key.float(), value.float())
    else:
        mixed = mix(query, key, value)
    return mixed.transpose(1, 2).flatten(2)
