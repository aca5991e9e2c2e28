"""Entropic optimal transport with relaxed marginals."""

import math
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from plp.aligners._problem import check_prices
from plp.aligners._solution import SinkhornResult
from plp.aligners.base import PairMask, Pairs, upcast
from plp.aligners.solver import EntropicAligner, Sinkhorn, takes_knobs
from plp.registry import ALIGNERS


@takes_knobs
def unbalanced_sinkhorn(
    cost: Pairs,
    *,
    epsilon: float,
    rho_a: float,
    rho_b: float,
    a: Float[Tensor, "*#batch K"] | None = None,
    b: Float[Tensor, "*#batch N"] | None = None,
    mask: PairMask = None,
    max_iterations: int = 1000,
    **knobs: Any,
) -> SinkhornResult:
    """Solve entropic transport whose marginals are wished for, not demanded.

        min_P  sum_ij P_ij C_ij + epsilon KL(P | a b^T) + rho_a KL(P 1 | a) + rho_b KL(P^T 1 | b)

    by the scaling iterations of Chizat, Peyré, Schmitzer and Vialard ("Scaling algorithms for
    unbalanced optimal transport problems", Math. Comp. 2018): Sinkhorn's with every update raised
    to the power rho / (rho + epsilon). KL is the generalised one, sum p log(p / q) - p + q.

    Unlike balanced transport the plan depends on the level of the cost: where a pair costs more
    than it is worth, mass is destroyed.

    Args:
        cost: C; smaller is more alike.
        epsilon: Weight of the entropy, in units of the cost.
        rho_a: Price of leaving the row marginals: inf keeps them, 0 drops the constraint. With two
            finite prices the number of iterations grows like rho / epsilon.
        rho_b: Price of leaving the column marginals.
        a: Row marginals; None for uniform ones over the rows that hold a pair.
        b: Column marginals, likewise.
        mask: True where a pair exists.
        max_iterations: Most iterations.
        **knobs: `tolerance`, `gradient`, `implementation` of `Sinkhorn`.

    Shape:
        As in `sinkhorn`.

    Returns:
        SinkhornResult. Its marginal errors are distances from a exp(-f / rho_a), the row sums of
        the optimal plan, and from b exp(-g / rho_b).

    Raises:
        ConfigError: As `sinkhorn`, and for a negative price.

    Example:
        >>> import torch
        >>> cost = torch.tensor([[0.0, 3.0], [3.0, 3.0]])  # the second row is like nothing
        >>> unbalanced_sinkhorn(cost, epsilon=0.1, rho_a=0.5, rho_b=0.5).plan.sum(-1)
        tensor([0.4695, 0.0307])
    """
    solver = Sinkhorn(epsilon, max_iterations, **knobs)
    return solver(cost, a=a, b=b, mask=mask, rho_a=rho_a, rho_b=rho_b)


@final
@ALIGNERS.register_module()
@takes_knobs
class UnbalancedSinkhornAligner(EntropicAligner):
    """Entropic transport with cost 1 - cosine that may leave patches (or prompts) underused.

    As it stands each prompt keeps its mass 1/N and patches are free to take less or more than 1/K
    at a price: between `SinkhornAligner` (rho_patches = inf) and a softmax of each prompt over the
    patches at temperature epsilon (rho_patches = 0). The plan is divided by its mass, which matters
    only where the prompts' marginal is relaxed too.

    Args:
        epsilon: Entropic regularisation.
        rho_patches: Price of leaving the patches' marginal 1/K, in units of the cost; inf keeps it.
        rho_prompts: Price of leaving the prompts' marginal 1/N; inf keeps it.
        **knobs: `max_iterations`, `tolerance`, `gradient`, `implementation` of `Sinkhorn`, as in
            `SinkhornAligner`. If both prices are finite and large, many iterations are needed.

    Example:
        >>> import torch
        >>> similarity = torch.tensor([[0.9, 0.8], [0.2, 0.1]])
        >>> UnbalancedSinkhornAligner(rho_patches=0.1)(similarity)
        tensor([[0.4853, 0.4853],
                [0.0147, 0.0147]])
    """

    def __init__(
        self,
        epsilon: float = 0.1,
        rho_patches: float = 0.1,
        rho_prompts: float = math.inf,
        *more: Any,
        **knobs: Any,
    ) -> None:
        super().__init__(Sinkhorn(epsilon, *more, **knobs))
        check_prices(rho_patches=rho_patches, rho_prompts=rho_prompts)
        self.rho_patches, self.rho_prompts = rho_patches, rho_prompts
        self.needs_shared_patches = rho_patches > 0

    def forward(self, similarity: Pairs, mask: PairMask = None) -> Pairs:
        """Compute the plan, of mass one."""
        cost = 1 - upcast(similarity)
        return self.solver.plan(cost, mask, self.rho_patches, self.rho_prompts)

    def extra_repr(self) -> str:
        """Show prices and knobs in the printed module."""
        prices = f"rho_patches={self.rho_patches}, rho_prompts={self.rho_prompts}"
        return f"{prices}, {super().extra_repr()}"
