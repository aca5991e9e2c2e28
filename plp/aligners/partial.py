"""Entropic optimal transport of a part of the mass."""

import math
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional as F

from plp.aligners._ordered import normalize_mass
from plp.aligners._problem import make_problem
from plp.aligners._solution import SinkhornResult
from plp.aligners.base import PairMask, Pairs, upcast
from plp.aligners.solver import EntropicAligner, Sinkhorn, takes_knobs
from plp.errors import ConfigError
from plp.registry import ALIGNERS


@takes_knobs
def partial_sinkhorn(
    cost: Pairs,
    *,
    mass: float,
    epsilon: float,
    mask: PairMask = None,
    max_iterations: int = 1000,
    **knobs: Any,
) -> SinkhornResult:
    """Transport the given mass between uniform marginals, leaving the costliest rest where it is.

    The problem min <P, C> with P 1 <= a, P^T 1 <= b and sum P = mass becomes a balanced one with
    one more row and one more column that take what is left over at no cost, and no pair where they
    meet (Chapel, Alaya and Gasso, "Partial optimal transport with applications on
    positive-unlabeled learning", NeurIPS 2020). The entropy here is that of the extended plan, so
    that Sinkhorn's iterations, gradients and guarantees serve unchanged; towards epsilon = 0 it is
    partial transport.

    Args:
        cost: C; smaller is more alike.
        mass: Mass to transport, in (0, 1]; 1 is balanced transport.
        epsilon: Weight of the entropy, in units of the cost.
        mask: True where a pair exists.
        max_iterations: Most iterations.
        **knobs: `tolerance`, `gradient`, `implementation` of `Sinkhorn`; the tolerance is on the
            extended problem.

    Shape:
        cost [*batch, K, N].

    Returns:
        SinkhornResult of the extended problem, with the extra row and column cut off plan and
        potentials. Marginal errors and cost are the extended problem's.

    Raises:
        ConfigError: As `sinkhorn`, and for a mass out of range.

    Example:
        >>> import torch
        >>> cost = torch.tensor([[0.0, 9.0], [9.0, 5.0]])
        >>> partial_sinkhorn(cost, mass=0.4, epsilon=0.5).plan.round(decimals=3)
        tensor([[0.4000, 0.0000],
                [0.0000, 0.0000]])
    """
    _check_mass(mass)
    return _partial(Sinkhorn(epsilon, max_iterations, **knobs), cost, mask, mass)


def _partial(solver: Sinkhorn, cost: Tensor, mask: Tensor | None, mass: float) -> SinkhornResult:
    """Solve the extended problem and cut it down."""
    _, a, b, *_ = make_problem(cost, mask)
    total = 2.0 - mass  # of the extended marginals, which are then scaled to one
    exists = torch.ones_like(cost, dtype=torch.bool) if mask is None else mask.expand_as(cost)
    # The block's mass is given, so a constant on its costs changes no plan; with the least cost at
    # the slack's cost, iterations converge whatever the level of the costs.
    level = _least(cost, exists)
    extended = F.pad(cost - level, (0, 1, 0, 1))
    exists = F.pad(exists, (0, 1, 0, 1), value=1.0)
    exists[..., -1, -1] = False
    a, b = (F.pad(marginal, (0, 1), value=1.0 - mass) / total for marginal in (a, b))
    result = solver(extended, a=a, b=b, mask=exists)
    # Keeps the plan of the form a b exp((f + g - C) / epsilon).
    shift = solver.epsilon / 2 * math.log(total)
    return result._replace(
        plan=total * result.plan[..., :-1, :-1],
        row_potential=result.row_potential[..., :-1] - shift + level[..., 0] / 2,
        column_potential=result.column_potential[..., :-1] - shift + level[..., 0] / 2,
        row_error=total * result.row_error,
        column_error=total * result.column_error,
        cost=total * result.cost + mass * level[..., 0, 0],
    )


def _least(cost: Tensor, exists: Tensor) -> Tensor:
    """Return the least cost of a pair that exists, 0 where none does; [*batch, 1, 1]."""
    if not cost.numel():
        return cost.new_zeros(*cost.shape[:-2], 1, 1)
    least = cost.detach().masked_fill(~exists, math.inf).amin((-2, -1), keepdim=True)
    return torch.where(least.isfinite(), least, 0.0)


def _check_mass(mass: float) -> None:
    if not 0 < mass <= 1:
        raise ConfigError(f"expected mass in (0, 1], got {mass!r}")


@final
@ALIGNERS.register_module()
@takes_knobs
class PartialAligner(EntropicAligner):
    """Transport of a part of the mass with cost 1 - cosine, divided by that part.

    The worst-matching patches and prompts drop out, so that clutter in the support costs nothing.

    Args:
        mass: Part to transport, in (0, 1]; 1 is `SinkhornAligner`.
        epsilon: Entropic regularisation.
        **knobs: `max_iterations`, `tolerance`, `gradient`, `implementation` of `Sinkhorn`, as in
            `SinkhornAligner`.

    Example:
        >>> import torch
        >>> similarity = torch.tensor([[0.9, 0.1], [0.1, 0.2]])
        >>> PartialAligner(mass=0.4, epsilon=0.05)(similarity).round(decimals=3)
        tensor([[1., 0.],
                [0., 0.]])
    """

    needs_shared_patches = True

    def __init__(self, mass: float = 0.5, epsilon: float = 0.1, *more: Any, **knobs: Any) -> None:
        super().__init__(Sinkhorn(epsilon, *more, **knobs))
        _check_mass(mass)
        self.mass = mass

    def forward(self, similarity: Pairs, mask: PairMask = None) -> Pairs:
        """Compute the plan, of mass one."""
        result = _partial(self.solver, 1 - upcast(similarity), mask, self.mass)
        return normalize_mass(result.plan)

    def extra_repr(self) -> str:
        """Show mass and knobs in the printed module."""
        return f"mass={self.mass}, {super().extra_repr()}"
