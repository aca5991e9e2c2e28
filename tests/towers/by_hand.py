"""`value` and `vv` written from their formulas with plain torch: nothing of `plp.towers` is used.

An image, a head and a query at a time, in float64.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Layer(NamedTuple):
    """One block: what each of its parts does to all tokens of one image, [L, W] in float64."""

    norm: Callable[[Tensor], Tensor]
    q: Callable[[Tensor], Tensor]
    k: Callable[[Tensor], Tensor]
    v: Callable[[Tensor], Tensor]
    out: Callable[[Tensor], Tensor]
    mlp: Callable[[Tensor], Tensor]  # its norm, and a scale behind it, included
    heads: int
    turn: Callable[[Tensor], Tensor] = lambda part: part  # [L, d] of a head


class Hand(NamedTuple):
    """A tower: tokens in front of the first block, blocks, last norm, a patch into the space."""

    start: Tensor
    layers: list[Layer]
    norm: Callable[[Tensor], Tensor]
    prefix: int
    joint: Callable[[Tensor], Tensor]


def attention(layer: Layer, query: Tensor, key: Tensor, value: Tensor, turned: bool) -> Tensor:
    """Return softmax(q k^T / sqrt(d)) v, a head and a query at a time."""
    mixed = torch.empty_like(value)
    width = value.shape[-1] // layer.heads
    for head in range(layer.heads):
        part = slice(head * width, (head + 1) * width)
        q, k = query[:, part], key[:, part]
        if turned:
            q, k = layer.turn(q), layer.turn(k)
        for row in range(len(value)):
            weights = ((k * q[row]).sum(-1) / width**0.5).exp()
            mixed[row, part] = (weights[:, None] / weights.sum() * value[:, part]).sum(0)
    return mixed


def run(hand: Hand, alias: bool) -> dict[str, Tensor]:
    """Return the streams, and `tokens` as the library has them."""
    found: dict[str, list[Tensor]] = {"tokens": [], "value": [], "vv": []}
    for x in hand.start.double():
        stream = x
        for number, layer in enumerate(hand.layers):
            n = layer.norm(x)
            q, k, v = layer.q(n), layer.k(n), layer.v(n)
            own = layer.out(attention(layer, q, k, v, turned=True))
            if alias and number == 0:
                stream = stream + own
            stream = stream + layer.out(attention(layer, v, v, v, turned=False))
            value = x + layer.out(v)
            value = value + layer.mlp(value)
            x = x + own
            x = x + layer.mlp(x)
        for name, tokens in (("tokens", x), ("value", value), ("vv", stream)):
            found[name].append(hand.norm(tokens)[hand.prefix :])
    return {name: torch.stack(rows).float() for name, rows in found.items()}
