"""Texts of a distributed run: each process encodes a part of the classes, all get all of them.

With R processes the text tower, most of a step where classes are many, costs each 1/R of its
arithmetic and of its activations.
"""

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import torch
from jaxtyping import Float
from mmengine.dist import get_dist_info
from torch import Tensor
from torch import distributed as dist

from plp.prompts.base import PromptPart


def encode_share(
    classes: int,
    chunk: int | None,
    parts: Callable[[int], Sequence[PromptPart]],
    encode: Callable[[Sequence[PromptPart]], Float[Tensor, "c N E"]],
) -> Float[Tensor, "C N E"]:
    """Encode this process's share of the classes, and gather the others' with gradient.

    Every process calls it at the same time, about the same prompts. Process r has the classes from
    r c on, c being C / R or a little more. One whose share is empty encodes some part all the same,
    for nothing, so that the graph is the same everywhere.

    The gradient of a share is the *sum* of what the losses of all processes have to say about its
    texts. Data parallel training then takes the mean over processes of the parameters' gradients,
    each from one share, and the result is the gradient of the mean of the losses:
    (1/R) sum_p dT_p/dw sum_r dL_r/dT_p = d(mean_r L_r)/dw.

    Args:
        classes: C.
        chunk: Most classes that are encoded at a time; None for no limit.
        parts: Cuts the prompts into parts of so many classes.
        encode: Makes and encodes parts.

    Returns:
        Texts of all C classes, not normalised; the same in every process.
    """
    rank, processes = get_dist_info()
    each = ceil(classes / processes)
    pieces = ceil(each / (chunk or each))
    size = ceil(each / pieces)
    made = parts(size)
    first = min(rank * pieces, len(made) - 1)
    own = encode(made[first : first + pieces])
    return own if processes == 1 else _Gather.apply(own, pieces * size, classes)


class _Gather(torch.autograd.Function):
    """Put the shares of all processes together; give each the sum of its share's gradients."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, room: int, classes: int) -> Tensor:
        """Gather, with `room` for the classes of each process."""
        ctx.room, ctx.rows = room, len(own)
        padded = _of_length(own, room)
        shares = [torch.empty_like(padded) for _ in range(dist.get_world_size())]
        dist.all_gather(shares, padded)
        return torch.cat(shares)[:classes]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """Sum over processes, take the own share; what was encoded for nothing gets zero."""
        summed = grads[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        begin = dist.get_rank() * ctx.room
        return _of_length(summed[begin : begin + ctx.rows], ctx.rows), None, None


def _of_length(rows: Tensor, length: int) -> Tensor:
    """Fill up with zeros."""
    return torch.cat([rows, rows.new_zeros(length - len(rows), *rows.shape[1:])])
