"""Entropic optimal transport of a part of the mass."""

import math
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from plp.aligners._entropic import SinkhornResult, solve_entropic
from plp.aligners._ordered import of_mass_one
from plp.aligners._problem import make_problem
from plp.aligners._settings import (
    Gradient,
    Implementation,
    Settings,
    check_aligner_settings,
)
from plp.aligners.base import Aligner, lifted
from plp.errors import ConfigError
from plp.registry import ALIGNERS


def partial_sinkhorn(
    cost: Float[Tensor, "*batch K N"],
    *,
    mass: float,
    epsilon: float,
    mask: Bool[Tensor, "*#batch K N"] | None = None,
    max_iterations: int = 1000,
    tolerance: float = 1e-6,
    gradient: Gradient = "detach",
    implementation: Implementation = "auto",
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
        tolerance: On the L1 error of the row marginals of the extended problem.
        gradient: As in `sinkhorn`.
        implementation: As in `sinkhorn`.

    Shape:
        cost [*batch, K, N].

    Returns:
        SinkhornResult of the extended problem, with the extra row and column cut off plan and
        potentials. Marginal errors and cost are the extended problem's.

    Raises:
        ConfigError: for a setting out of range, a shape that does not fit, a mask that is not
            boolean.

    Example:
        >>> import torch
        >>> cost = torch.tensor([[0.0, 9.0], [9.0, 5.0]])
        >>> partial_sinkhorn(cost, mass=0.4, epsilon=0.5).plan.round(decimals=3)
        tensor([[0.4000, 0.0000],
                [0.0000, 0.0000]])
    """
    if not 0 < mass <= 1:
        raise ConfigError(f"expected mass in (0, 1], got {mass!r}")
    settings = Settings(
        epsilon, math.inf, math.inf, max_iterations, tolerance, gradient, implementation
    )
    _, a, b, _ = make_problem(cost, mask)
    total = 2.0 - mass  # of the extended marginals, which are then scaled to one
    exists = torch.ones_like(cost, dtype=torch.bool) if mask is None else mask.expand_as(cost)
    # The block's mass is given, so a constant on its costs changes no plan; with the least cost at
    # the slack's cost, iterations converge whatever the level of the costs.
    level = _least(cost, exists)
    extended = _extended(cost - level, 0.0)
    exists = _extended(exists, 1.0)
    exists[..., -1, -1] = False
    result = solve_entropic(
        extended, exists, settings, _with_slack(a, mass) / total, _with_slack(b, mass) / total
    )
    shift = epsilon / 2 * math.log(total)  # keeps the plan of the form a b exp((f + g - C) / eps)
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


def _extended(matrix: Tensor, value: float) -> Tensor:
    return F.pad(matrix, (0, 1, 0, 1), value=value)


def _with_slack(marginal: Tensor, mass: float) -> Tensor:
    return F.pad(marginal, (0, 1), value=1.0 - mass)


@final
@ALIGNERS.register_module()
class PartialAligner(Aligner):
    """Transport of a part of the mass with cost 1 - cosine, divided by that part.

    The worst-matching patches and prompts drop out, so that clutter in the support costs nothing.

    Args:
        mass: Part to transport, in (0, 1]; 1 is `SinkhornAligner`.
        epsilon: Entropic regularisation.
        max_iterations: Most iterations.
        tolerance: L1 error of the marginals at which a problem stops.
        gradient: 'detach', 'implicit' or 'unroll', as in `SinkhornAligner`.
        implementation: As in `sinkhorn`.

    Example:
        >>> import torch
        >>> similarity = torch.tensor([[0.9, 0.1], [0.1, 0.2]])
        >>> PartialAligner(mass=0.4, epsilon=0.05)(similarity).round(decimals=3)
        tensor([[1., 0.],
                [0., 0.]])
    """

    needs_shared_patches = True

    def __init__(
        self,
        mass: float = 0.5,
        epsilon: float = 0.1,
        max_iterations: int = 100,
        tolerance: float = 1e-6,
        gradient: Gradient = "detach",
        implementation: Implementation = "auto",
    ) -> None:
        super().__init__()
        if not 0 < mass <= 1:
            raise ConfigError(f"expected mass in (0, 1], got {mass!r}")
        self.mass = mass
        self.settings = Settings(
            epsilon, math.inf, math.inf, max_iterations, tolerance, gradient, implementation
        )
        check_aligner_settings(self.settings)

    def forward(
        self,
        similarity: Float[Tensor, "*batch K N"],
        mask: Bool[Tensor, "*#batch K N"] | None = None,
    ) -> Float[Tensor, "*batch K N"]:
        """Compute the plan, of mass one."""
        s = self.settings
        plan = partial_sinkhorn(
            1 - lifted(similarity),
            mass=self.mass,
            epsilon=s.epsilon,
            mask=mask,
            max_iterations=s.max_iterations,
            tolerance=s.tolerance,
            gradient=s.gradient,
            implementation=s.implementation,
        ).plan
        return of_mass_one(plan)

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return f"mass={self.mass}, {self.settings.describe()}"
