"""Texts of a distributed run: each process encodes a part of the classes, all get all of them.

With R processes the text tower, most of a step where classes are many, costs each 1/R of its
arithmetic and of its activations.
"""

from collections.abc import Callable
from math import ceil
from typing import Any

import torch
from jaxtyping import Float, Int
from mmengine.dist import get_dist_info
from torch import Tensor
from torch import distributed as dist

from plp.learners.length_order import in_order
from plp.upload import upload


def encode_share(
    order: Int[Tensor, " C"],
    encode: Callable[[Int[Tensor, " c"]], Float[Tensor, "c N E"]],
) -> Float[Tensor, "C N E"]:
    """Encode this process's share of the classes, and gather the others' with gradient.

    Every process calls it at the same time, about the same prompts. Of R processes, r has every
    R-th of the sorted classes from the r-th on: texts of all lengths, as the others. One whose
    share is empty encodes some class all the same, for nothing, so that the graph is the same
    everywhere.

    The gradient of a share is the *sum* of what the losses of all processes have to say about its
    texts. Data parallel training then takes the mean over processes of the parameters' gradients,
    each from one share, and the result is the gradient of the mean of the losses:
    (1/R) sum_p dT_p/dw sum_r dL_r/dT_p = d(mean_r L_r)/dw.

    Args:
        order: The classes, sorted by the length of their texts.
        encode: Makes and encodes the texts of some classes, and returns them in that order.

    Returns:
        Texts of all C classes, in the order of their indices, not normalised; the same in every
        process.
    """
    rank, processes = get_dist_info()
    own = order[rank::processes]
    text = encode(own if len(own) else order[:1])
    return in_order(text, order) if processes == 1 else _Gather.apply(text, order, own)


class _Gather(torch.autograd.Function):
    """Put the shares of all processes together; give each the sum of its share's gradients."""

    @staticmethod
    def forward(ctx: Any, text: Tensor, order: Int[Tensor, " C"], own: Int[Tensor, " c"]) -> Tensor:
        """Gather; the text of an empty share fills up."""
        ctx.own, ctx.rows = own, len(text)
        processes = dist.get_world_size()
        padded = _of_length(text, ceil(len(order) / processes))
        shares = [torch.empty_like(padded) for _ in range(processes)]
        dist.all_gather(shares, padded)
        dealt = torch.stack(shares, dim=1).flatten(0, 1)  # [c R, N, E], as the classes were dealt
        return in_order(dealt[: len(order)], order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """Sum over processes, take the own share; what was encoded for nothing gets zero."""
        summed = grads[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        share = summed.index_select(0, upload(ctx.own, summed.device))
        return _of_length(share, ctx.rows), None, None


def _of_length(rows: Tensor, length: int) -> Tensor:
    """Fill up with zeros."""
    return torch.cat([rows, rows.new_zeros(length - len(rows), *rows.shape[1:])])
