"""Balanced entropic optimal transport."""

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


def sinkhorn(
    cost: Float[Tensor, "*batch K N"],
    *,
    epsilon: float,
    a: Float[Tensor, "*#batch K"] | None = None,
    b: Float[Tensor, "*#batch N"] | None = None,
    mask: Bool[Tensor, "*#batch K N"] | None = None,
    max_iterations: int = 100,
    tolerance: float = 1e-6,
    gradient: Gradient = "detach",
    implementation: Implementation = "auto",
) -> SinkhornResult:
    """Solve balanced entropic transport by Sinkhorn's algorithm.

        min_P  sum_ij P_ij C_ij + epsilon KL(P | a b^T)   such that   P 1 = a,  P^T 1 = b,  P >= 0

    (Cuturi, "Sinkhorn distances", NeurIPS 2013; Peyré and Cuturi, "Computational optimal
    transport", 2019, section 4.2, with the entropy taken relative to a b^T, which changes the cost
    by a constant and the plan not at all.) The problems of a batch share nothing: each stops when
    it has converged, and its numbers do not depend on the others. Half precision is lifted to
    float32.

    Args:
        cost: C; smaller is more alike. Any real values.
        epsilon: Weight of the entropy, in units of the cost. Towards 0 the plan becomes the optimal
            assignment, towards infinity the product of the marginals.
        a: Row marginals, non-negative, summing to one; None for uniform ones over the rows that
            hold a pair.
        b: Column marginals, likewise.
        mask: True where a pair exists. Rows and columns without a pair get no mass. A mask can make
            the marginals unreachable; then `converged` is False and `row_error` says how far off.
        max_iterations: Most iterations; a small epsilon / (max C - min C) needs many.
        tolerance: On the L1 error of the row marginals (the columns are exact). Where rounding does
            not allow it, what rounding does allow, up to 1e-4.
        gradient: What carries a gradient, see docs/transport.md. 'detach': nothing. 'envelope': the
            entropic cost, by the envelope theorem, exact at convergence. 'unroll': everything,
            through the iterations. 'implicit': everything, through the optimality conditions,
            exact at convergence and without storing iterations.
        implementation: 'fused' solves many small problems in one GPU kernel, 'fixed' runs
            `max_iterations` plain operations that can be traced, see docs/transport.md; 'plain'
            and, so far, 'auto' do neither.

    Shape:
        cost [*batch, K, N] with any number of leading axes, also of length 0; a [*batch, K] and
        b [*batch, N] broadcast against it, and so does the mask.

    Returns:
        SinkhornResult: plan, potentials, marginal errors, iterations, convergence, entropic cost.

    Raises:
        ConfigError: for a setting out of range, a shape that does not fit, a mask that is not
            boolean; on a CPU also for costs that are NaN or -inf, and for marginals that are
            negative or differ in mass.
        TypeError: for lists or arrays in place of tensors.

    Example:
        >>> import torch
        >>> result = sinkhorn(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), epsilon=0.5)
        >>> result.plan
        tensor([[0.4404, 0.0596],
                [0.0596, 0.4404]])
        >>> bool(result.converged), int(result.iterations)
        (True, 4)
    """
    settings = Settings(
        epsilon, math.inf, math.inf, max_iterations, tolerance, gradient, implementation
    )
    return solve_entropic(cost, mask, settings, a, b)


@final
@ALIGNERS.register_module()
class SinkhornAligner(Aligner):
    """Balanced entropic transport with cost 1 - cosine and uniform marginals 1/K and 1/N (SOT-GLP).

    The published code stops at a threshold of 1e-2 on the mean over the whole batch, so that a
    score depends on its batch neighbours; here each problem converges by itself.

    Args:
        epsilon: Entropic regularisation; 0.1 in SOT-GLP and PLOT. See docs/transport.md on choosing
            it: at 0.1 the plans of cosines are close to uniform.
        max_iterations: Most iterations.
        tolerance: L1 error of the row marginals at which a problem stops.
        gradient: 'detach' (published): the plan is a constant, and by the envelope theorem
            sum(plan * similarity) then has the gradient of the entropic objective. 'implicit' or
            'unroll': the gradient goes through the plan too. 'envelope' is refused: for a plan it
            is the same as 'detach'.
        implementation: As in `sinkhorn`.

    Example:
        >>> import torch
        >>> plan = SinkhornAligner()(torch.rand(2, 5, 10, 4))
        >>> plan.shape, bool(torch.allclose(plan.sum(-1), torch.full((2, 5, 10), 0.1)))
        (torch.Size([2, 5, 10, 4]), True)
    """

    needs_shared_patches = True

    def __init__(
        self,
        epsilon: float = 0.1,
        max_iterations: int = 100,
        tolerance: float = 1e-6,
        gradient: Gradient = "detach",
        implementation: Implementation = "auto",
    ) -> None:
        super().__init__()
        self.settings = Settings(
            epsilon, math.inf, math.inf, max_iterations, tolerance, gradient, implementation
        )
        check_aligner_settings(self.settings)

    def forward(
        self,
        similarity: Float[Tensor, "*batch K N"],
        mask: Bool[Tensor, "*#batch K N"] | None = None,
    ) -> Float[Tensor, "*batch K N"]:
        """Compute the plan; uniform over the rows and columns that hold a pair of the mask."""
        return entropic_plan(1 - lifted(similarity), mask, self.settings)

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return self.settings.describe()
