"""Texts of a distributed run: each process encodes a part of the classes, all get all of them.

With R processes the text tower, most of a step where classes are many, costs each 1/R of its
arithmetic and of its activations.
"""

from collections.abc import Callable
from math import ceil
from typing import Any

import torch
from jaxtyping import Float
from mmengine.dist import get_dist_info
from torch import Tensor
from torch import distributed as dist

from plp.structures import PromptTokens

Encode = Callable[[PromptTokens], Float[Tensor, "C N E"]]


def encode_share(tokens: PromptTokens, encode: Encode) -> Float[Tensor, "C N E"]:
    """Encode this process's part of the classes, and gather the others' parts with gradient.

    Every process calls it at the same time, with the same tokens. Process r encodes the classes
    r c, ..., (r + 1) c - 1 with c = ceil(C / R); what is missing from the last parts is filled up
    with the last class, whose copies are thrown away.

    The gradient of a part is the *sum* of what the losses of all processes have to say about its
    texts. Data parallel training then takes the mean over processes of the parameters' gradients,
    each from one part, and the result is the gradient of the mean of the losses:
    (1/R) sum_p dT_p/dw sum_r dL_r/dT_p = d(mean_r L_r)/dw.

    Args:
        tokens: Prompts of all C classes.
        encode: Encodes prompts.

    Returns:
        Texts of all C classes, not normalised; the same in every process.
    """
    rank, processes = get_dist_info()
    if processes == 1:
        return encode(tokens)
    classes = len(tokens.end)
    each = ceil(classes / processes)
    own = torch.arange(rank * each, (rank + 1) * each, device=tokens.end.device)
    own = own.clamp(max=classes - 1)
    part = tokens._replace(embeddings=tokens.embeddings[own], end=tokens.end[own])
    return _Gather.apply(encode(part), classes)


class _Gather(torch.autograd.Function):
    """Put the parts of all processes together; give each the sum of its part's gradients."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, classes: int) -> Tensor:
        """Gather."""
        ctx.each = len(own)
        parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, own.contiguous())
        return torch.cat(parts)[:classes]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Sum over processes, take the own part; copies that were thrown away get zero."""
        summed = grads[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        begin = dist.get_rank() * ctx.each
        part = summed[begin : begin + ctx.each]
        own = summed.new_zeros(ctx.each, *summed.shape[1:])
        own[: len(part)] = part
        return own, None
