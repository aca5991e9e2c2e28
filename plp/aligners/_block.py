"""A block of transport problems, laid out for iterating, and what its two domains share.

A block keeps its problems on the *last* axis: K and N are small in prompt learning and B is large,
so this axis is the one to vectorise over. A pair that does not exist has infinite cost.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plp.aligners._ordered import OrderedSum, ordered_sum

# Problems with more pairs are solved one by one: alone they fill a core's cache.
LARGEST_SHARED = 1 << 14


class SolverSettings(NamedTuple):
    """How to iterate; the arguments of the operator after cost and marginals.

    Attributes:
        epsilon: Entropic regularisation.
        tau_a: Exponent of the row update; 1 keeps the row marginals.
        tau_b: Exponent of the column update.
        max_iterations: Most iterations.
        tolerance: Error at which a problem stops.
    """

    epsilon: float
    tau_a: float
    tau_b: float
    max_iterations: int
    tolerance: float


class Block(NamedTuple):
    """Problems to solve, and how.

    Attributes:
        cost: C, overwritten by the domain.
        a: Row marginals.
        b: Column marginals.
        shift: Subtracted from the cost before exponentiation.
        spread: Largest distance of a finite cost from the shift, in units of epsilon.
        exists: Which columns (index 0) and rows (index 1) hold a pair; None if all pairs exist.
        settings: How to solve them.
    """

    cost: Float[Tensor, "K N B"]
    a: Float[Tensor, "K 1 B"]
    b: Float[Tensor, "1 N B"]
    shift: Float[Tensor, "1 1 B"]
    spread: Float[Tensor, "1 1 B"]
    exists: tuple[Bool[Tensor, "1 N B"], Bool[Tensor, "K 1 B"]] | None
    settings: SolverSettings

    def take(self, chosen: Int[Tensor, " b"]) -> "Block":
        """Return some of the problems."""
        cost, a, b, shift, spread = (tensor[..., chosen] for tensor in self[:5])
        exists = self.exists
        if exists is not None:
            exists = exists[0][..., chosen], exists[1][..., chosen]
        return Block(cost, a, b, shift, spread, exists, self.settings)


def is_large(K: int, N: int) -> bool:
    """Whether a problem is solved alone; must not depend on how many there are."""
    return K * N > LARGEST_SHARED


class BlockDomain:
    """What both domains share: the block, a kernel, and a buffer for terms to be summed."""

    def __init__(self, block: Block, kernel: Tensor | None = None) -> None:
        self.block, self.a, self.settings = block, block.a, block.settings
        self.kernel = self._make_kernel(block) if kernel is None else kernel
        self.terms = torch.empty_like(self.kernel)
        self.sums = [OrderedSum(self.terms, dim) for dim in (0, 1)]
        self.stuck = self._stuck_mass()

    @staticmethod
    def _make_kernel(block: Block) -> Tensor:
        """Log kernel, in the place of the cost."""
        return torch.sub(block.shift, block.cost, out=block.cost).div_(block.settings.epsilon)

    def take(self, chosen: Int[Tensor, " b"]) -> Any:
        """Return some of the problems."""
        return type(self)(self.block.take(chosen), self.kernel[..., chosen])

    def sum(self, values: Float[Tensor, "K N B"], dim: int) -> Float[Tensor, "K_ N_ B"]:
        """Sum over `dim`, which is kept, in a fixed order."""
        self.terms.copy_(values)
        return self.sums[dim]()

    def _stuck_mass(self) -> Tensor | float:
        """Mass that the marginals put where there is no pair to carry it."""
        if self.block.exists is None:
            return 0.0
        columns, rows = self.block.exists
        stuck = torch.where(rows, 0.0, self.block.a), torch.where(columns, 0.0, self.block.b)
        return ordered_sum(stuck[0], 0) + ordered_sum(stuck[1], 1)
