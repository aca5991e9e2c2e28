"""The three lines that both towers share: a packed projection, heads apart, heads together."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def project_in(
    attention: nn.MultiheadAttention, tokens: Float[Tensor, "M L W"], first: int, last: int
) -> list[Float[Tensor, "M L W"]]:
    """Apply parts `first` up to `last` of the packed projection: 0 query, 1 key, 2 value."""
    width = tokens.shape[-1]
    rows = slice(first * width, last * width)
    bias = None if attention.in_proj_bias is None else attention.in_proj_bias[rows]
    packed = F.linear(tokens, attention.in_proj_weight[rows], bias)
    return list(packed.chunk(last - first, dim=-1))


def attend(
    query: Float[Tensor, "M Q W"],
    key: Float[Tensor, "M L W"],
    value: Float[Tensor, "M L W"],
    heads: int,
    causal: bool = False,
) -> Float[Tensor, "M Q W"]:
    """Multi-head attention between projected tokens, before the output projection."""
    query, key, value = (
        part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (query, key, value)
    )
    mixed = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
    return mixed.transpose(1, 2).flatten(2)
