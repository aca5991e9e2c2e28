"""Sums whose last bits do not depend on the batch, and a logarithm of what may be zero."""

import torch
from jaxtyping import Float
from torch import Tensor

from plp.aligners.base import Pairs


class OrderedSum:
    """Sum over one axis of a buffer by halving, in an order that depends on its length alone.

    `Tensor.sum` adds in an order that depends on the other axes too, so the same problem would
    differ in its last bits from batch to batch. A sum overwrites the buffer; the axis is kept.

    Args:
        buffer: What to sum, whenever called.
        dim: The axis.
    """

    def __init__(self, buffer: Tensor, dim: int) -> None:
        self.buffer = buffer
        self.steps = []
        length = buffer.shape[dim]
        while length > 2:
            half = length // 2
            self.steps.append(
                (buffer.narrow(dim, 0, half), buffer.narrow(dim, length - half, half))
            )
            length -= half
        self.last = [buffer.narrow(dim, i, 1) for i in range(length)]

    def __call__(self) -> Tensor:
        """Sum what stands in the buffer now."""
        for head, tail in self.steps:
            head.add_(tail)
        return self.last[0].clone() if len(self.last) == 1 else self.last[0] + self.last[1]


def ordered_sum(terms: Tensor, dim: int) -> Tensor:
    """Sum once over `dim`, which is kept; overwrites `terms`."""
    return OrderedSum(terms, dim)()


def normalize_mass(plan: Pairs) -> Pairs:
    """Divide a plan by its mass; a plan without mass stays zero."""
    mass = ordered_sum(plan.flatten(-2).clone(), -1)[..., None]
    return plan / torch.where(mass > 0, mass, 1.0)


def safe_log(marginal: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """Logarithm whose gradient at zero is zero, not infinite."""
    positive = marginal > 0
    return torch.where(positive, torch.where(positive, marginal, 1.0).log(), -torch.inf)
