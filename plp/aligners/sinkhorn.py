"""Balanced entropic optimal transport."""

from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from plp.aligners._solution import SinkhornResult
from plp.aligners.base import PairMask, Pairs, upcast
from plp.aligners.solver import EntropicAligner, Sinkhorn, takes_knobs
from plp.registry import ALIGNERS


@takes_knobs
def sinkhorn(
    cost: Pairs,
    *,
    epsilon: float,
    a: Float[Tensor, "*#batch K"] | None = None,
    b: Float[Tensor, "*#batch N"] | None = None,
    mask: PairMask = None,
    **knobs: Any,
) -> SinkhornResult:
    """Solve balanced entropic transport by Sinkhorn's algorithm.

        min_P  sum_ij P_ij C_ij + epsilon KL(P | a b^T)   such that   P 1 = a,  P^T 1 = b,  P >= 0

    (Cuturi, "Sinkhorn distances", NeurIPS 2013; Peyré and Cuturi, "Computational optimal
    transport", 2019, section 4.2, with the entropy taken relative to a b^T, which changes the cost
    by a constant and the plan not at all.)

    Args:
        cost: C; smaller is more alike. Any real values.
        epsilon: Weight of the entropy, in units of the cost.
        a: Row marginals, non-negative, summing to one; None for uniform ones over the rows that
            hold a pair.
        b: Column marginals, likewise.
        mask: True where a pair exists. Rows and columns without a pair get no mass. A mask can make
            the marginals unreachable; then `converged` is False and `row_error` says how far off.
        **knobs: `max_iterations`, `tolerance`, `gradient`, `implementation` of `Sinkhorn`.

    Shape:
        cost [*batch, K, N] with any number of leading axes, also of length 0; a [*batch, K] and
        b [*batch, N] broadcast against it, and so does the mask.

    Returns:
        SinkhornResult: plan, potentials, marginal errors, iterations, convergence, entropic cost.

    Raises:
        ConfigError: for a knob out of range, a shape that does not fit, a mask that is not
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
    return Sinkhorn(epsilon, **knobs)(cost, a=a, b=b, mask=mask)


@final
@ALIGNERS.register_module()
@takes_knobs
class SinkhornAligner(EntropicAligner):
    """Balanced entropic transport with cost 1 - cosine and uniform marginals 1/K and 1/N (SOT-GLP).

    The published code stops at a threshold of 1e-2 on the mean over the whole batch, so that a
    score depends on its batch neighbours; here each problem converges by itself.

    Args:
        epsilon: Entropic regularisation; 0.1 in SOT-GLP and PLOT, where the plans of cosines are
            close to uniform.
        **knobs: `max_iterations`, `tolerance`, `gradient`, `implementation` of `Sinkhorn`. With
            gradient 'detach' (published) the plan is a constant, and by the envelope theorem
            sum(plan * similarity) then has the gradient of the entropic objective; 'envelope' is
            refused, because for a plan it is the same.

    Example:
        >>> import torch
        >>> plan = SinkhornAligner()(torch.rand(2, 5, 10, 4))
        >>> plan.shape, bool(torch.allclose(plan.sum(-1), torch.full((2, 5, 10), 0.1)))
        (torch.Size([2, 5, 10, 4]), True)
    """

    needs_shared_patches = True

    def __init__(self, epsilon: float = 0.1, *more: Any, **knobs: Any) -> None:
        super().__init__(Sinkhorn(epsilon, *more, **knobs))

    def forward(self, similarity: Pairs, mask: PairMask = None) -> Pairs:
        """Compute the plan; uniform over the rows and columns that hold a pair of the mask."""
        return self.solver.plan(1 - upcast(similarity), mask)
