"""Rows of some classes at a time, without a copy of all in another order."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.autograd.function import once_differentiable

from plp.upload import upload

Groups = Sequence[Int[Tensor, " _"]]  # classes that go together, by their indices, on the CPU


def take(rows: Shaped[Tensor, "C ..."], group: Int[Tensor, " c"]) -> Tensor:
    """Return the rows of some classes."""
    return rows.index_select(0, upload(group, rows.device))


def placeholders(
    rows: Float[Tensor, "C ..."], groups: Groups
) -> tuple[Float[Tensor, "_ ..."], ...]:
    """Return, for each group of classes, zeros that stand for their rows and need no memory.

    `take(rows.detach(), group) + placeholder` is what `take(rows, group)` is, and so is its
    gradient. But rows need not be taken before the group's turn comes; and the gradients of all
    groups are written into one tensor, where those of `take` would be added up, each of the size of
    all rows.

    Args:
        rows: What carries gradient.
        groups: No class is in two of them.
    """
    return cast(tuple[Tensor, ...], _Placeholders.apply(rows, groups))  # type: ignore[no-untyped-call]


class _Placeholders(torch.autograd.Function):
    """The function of `placeholders`."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, groups: Groups) -> tuple[Tensor, ...]:
        ctx.groups, ctx.classes = groups, len(rows)
        return tuple(rows.new_zeros(()).expand(len(group), *rows.shape[1:]) for group in groups)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        whole = grads[0].new_zeros(ctx.classes, *grads[0].shape[1:])
        for group, grad in zip(ctx.groups, grads, strict=True):
            whole.index_copy_(0, upload(group, whole.device), grad)
        return whole, None
