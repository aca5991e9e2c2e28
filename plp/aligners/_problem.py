"""What every entropic solver is given: cost and marginals, checked and completed."""

import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from plp.aligners.base import PairMask, Pairs, require_tensor, upcast
from plp.errors import ConfigError


class Problem(NamedTuple):
    """A batch of problems in float32 or better; a pair that does not exist has infinite cost.

    The marginals a and b may be left at the prices rho_a and rho_b: inf keeps them, 0 drops them.
    """

    cost: Pairs
    a: Float[Tensor, "*batch K"]
    b: Float[Tensor, "*batch N"]
    mask: PairMask
    rho_a: float = math.inf
    rho_b: float = math.inf

    @property
    def balanced(self) -> bool:
        """Whether both marginals are kept."""
        return self.rho_a == math.inf and self.rho_b == math.inf

    def detach(self) -> "Problem":
        """Cut the graph."""
        return self._replace(cost=self.cost.detach(), a=self.a.detach(), b=self.b.detach())


class Solution(NamedTuple):
    """What a solver finds of problems, laid out as they are; `f`, `g` in units of the cost."""

    plan: Tensor
    f: Tensor
    g: Tensor
    row_sums: Tensor
    column_sums: Tensor
    iterations: Tensor
    converged: Tensor


def make_problem(
    cost: Pairs,
    mask: PairMask = None,
    a: Tensor | None = None,
    b: Tensor | None = None,
    rho_a: float = math.inf,
    rho_b: float = math.inf,
) -> Problem:
    """Upcast half precision, put the mask into the cost, fill in uniform marginals.

    Raises:
        ConfigError: for what cannot be meant.
        TypeError: for what is no tensor.
    """
    check_prices(rho_a=rho_a, rho_b=rho_b)
    _check(cost, mask)
    for name, marginal in (("a", a), ("b", b)):
        require_tensor(marginal, f"the marginal {name}", optional=True)
    C = upcast(cost)
    C = C if mask is None else C.masked_fill(~mask, math.inf)
    a = _uniform(C, mask, -1) if a is None else _given(a, C, "a")
    b = _uniform(C, mask, -2) if b is None else _given(b, C, "b")
    return Problem(C, a, b, mask, rho_a, rho_b)


def check_prices(**prices: float) -> None:
    """Raise ConfigError for a price of leaving a marginal that is below zero."""
    for name, rho in prices.items():
        if not rho >= 0:
            raise ConfigError(f"expected {name} >= 0 (inf keeps the marginal), got {rho!r}")


def _check(cost: Tensor, mask: Tensor | None) -> None:
    require_tensor(cost, "the cost")
    require_tensor(mask, "the mask", optional=True)
    if not cost.is_floating_point():
        raise ConfigError(f"expected a floating-point cost, got {cost.dtype}; use cost.float()")
    if cost.ndim < 2 or 0 in cost.shape[-2:]:
        raise ConfigError(
            f"expected a cost of shape [*batch, K, N] with K, N >= 1, got {list(cost.shape)}"
        )
    if mask is not None and mask.dtype != torch.bool:
        raise ConfigError(f"expected a boolean mask, True where a pair exists, got {mask.dtype}")


def check_costs(cost: Tensor) -> None:
    """Raise ConfigError for costs that are NaN or -inf, where looking costs no wait.

    Only the functions look, not the aligners of a model: training has its own word for a loss that
    has diverged.
    """
    if cost.device.type != "cpu" or torch.compiler.is_compiling():
        return
    bad = ~(cost.detach() > -math.inf)
    try:
        found = bool(bad.any())
    except RuntimeError:  # under vmap, where nobody can look
        return
    if found:
        raise ConfigError(
            "expected finite costs, or inf for a pair that does not exist, got "
            f"{float(cost[bad][0])} in {int(bad.sum())} of {cost.numel()} pairs; look at what they "
            "are computed from"
        )


def _uniform(cost: Tensor, mask: Tensor | None, over: Literal[-1, -2]) -> Tensor:
    """Uniform marginal over the rows (columns) that hold a pair, found by looking `over` them."""
    shape = cost.shape[:-1] if over == -1 else cost.shape[:-2] + cost.shape[-1:]
    if mask is None:
        return cost.new_full((), 1 / shape[-1]).expand(shape)
    exists = mask.any(over).to(cost.dtype)
    return (exists / exists.sum(-1, keepdim=True).clamp_min(1)).expand(shape)


def _given(marginal: Tensor, cost: Tensor, name: Literal["a", "b"]) -> Tensor:
    axis, size = ("K", cost.shape[-2]) if name == "a" else ("N", cost.shape[-1])
    if marginal.ndim < 1 or marginal.shape[-1] != size:
        raise ConfigError(
            f"expected the marginal {name} to end in {axis} = {size}, "
            f"got shape {list(marginal.shape)}"
        )
    return marginal.to(cost).expand(*cost.shape[:-2], size)
