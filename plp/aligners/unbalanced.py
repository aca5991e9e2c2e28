"""Entropic optimal transport with relaxed marginals."""

import math
from typing import final

from jaxtyping import Bool, Float
from torch import Tensor

from plp.aligners._entropic import SinkhornResult, entropic_plan, solve_entropic
from plp.aligners._settings import (
    Gradient,
    Implementation,
    Settings,
    check_aligner_settings,
)
from plp.aligners.base import Aligner, lifted
from plp.registry import ALIGNERS


def unbalanced_sinkhorn(
    cost: Float[Tensor, "*batch K N"],
    *,
    epsilon: float,
    rho_a: float,
    rho_b: float,
    a: Float[Tensor, "*#batch K"] | None = None,
    b: Float[Tensor, "*#batch N"] | None = None,
    mask: Bool[Tensor, "*#batch K N"] | None = None,
    max_iterations: int = 1000,
    tolerance: float = 1e-6,
    gradient: Gradient = "detach",
    implementation: Implementation = "auto",
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
        tolerance: Stop when sum_i a_i |p_i / p_i' - 1|, the change of the row scalings from one
            iteration to the next, is less.
        gradient: As in `sinkhorn`.
        implementation: As in `sinkhorn`.

    Shape:
        As in `sinkhorn`.

    Returns:
        SinkhornResult. Its marginal errors are distances from a exp(-f / rho_a), the row sums of
        the optimal plan, and from b exp(-g / rho_b).

    Raises:
        ConfigError: for a setting out of range, a shape that does not fit, a mask that is not
            boolean.

    Example:
        >>> import torch
        >>> cost = torch.tensor([[0.0, 3.0], [3.0, 3.0]])  # the second row is like nothing
        >>> unbalanced_sinkhorn(cost, epsilon=0.1, rho_a=0.5, rho_b=0.5).plan.sum(-1)
        tensor([0.4695, 0.0307])
    """
    settings = Settings(epsilon, rho_a, rho_b, max_iterations, tolerance, gradient, implementation)
    return solve_entropic(cost, mask, settings, a, b)


@final
@ALIGNERS.register_module()
class UnbalancedSinkhornAligner(Aligner):
    """Entropic transport with cost 1 - cosine that may leave patches (or prompts) underused.

    As it stands each prompt keeps its mass 1/N and patches are free to take less or more than 1/K
    at a price: between `SinkhornAligner` (rho_patches = inf) and a softmax of each prompt over the
    patches at temperature epsilon (rho_patches = 0). The plan is divided by its mass, which matters
    only where the prompts' marginal is relaxed too.

    Args:
        epsilon: Entropic regularisation.
        rho_patches: Price of leaving the patches' marginal 1/K, in units of the cost; inf keeps it.
        rho_prompts: Price of leaving the prompts' marginal 1/N; inf keeps it.
        max_iterations: Most iterations; if both prices are finite and large, many are needed.
        tolerance: Change of the scalings at which a problem stops.
        gradient: 'detach', 'implicit' or 'unroll', as in `SinkhornAligner`.
        implementation: As in `sinkhorn`.

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
        max_iterations: int = 100,
        tolerance: float = 1e-6,
        gradient: Gradient = "detach",
        implementation: Implementation = "auto",
    ) -> None:
        super().__init__()
        self.settings = Settings(
            epsilon, rho_patches, rho_prompts, max_iterations, tolerance, gradient, implementation
        )
        check_aligner_settings(self.settings)
        self.needs_shared_patches = rho_patches > 0

    def forward(
        self,
        similarity: Float[Tensor, "*batch K N"],
        mask: Bool[Tensor, "*#batch K N"] | None = None,
    ) -> Float[Tensor, "*batch K N"]:
        """Compute the plan, of mass one."""
        return entropic_plan(1 - lifted(similarity), mask, self.settings)

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        s = self.settings
        return f"rho_patches={s.rho_a}, rho_prompts={s.rho_b}, {s.describe()}"
