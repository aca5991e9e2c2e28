"""The points of several tuners on one tower, as those of one."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from plp.errors import ConfigError
from plp.towers.points import ExtraTokens, ReplacedTokens, TowerPoints


def joined(found: Mapping[str, TowerPoints]) -> TowerPoints:
    """Return points that act together, each under the name of its tuner.

    Updates of one matrix, and residuals at one place, are added. Extra tokens are called
    `<tuner>.<name>`.

    Raises:
        ConfigError: for two tuners that replace the same weight, or the same tokens before the same
            block: naming both.
    """
    extra: dict[str, ExtraTokens] = {}
    updates: dict[str, list[Callable[..., Tensor]]] = {}
    residuals: dict[str, list[Callable[..., Tensor]]] = {}
    weights: dict[str, Tensor] = {}
    replaced: list[ReplacedTokens] = []
    owners: dict[Any, str] = {}
    updated: dict[str, str] = {}
    for name, points in found.items():
        extra |= _named(name, points)
        replaced += points.replaced
        for group in points.replaced:
            count = next(iter(group.before.values())).shape[-2]
            places = [(b, at) for b in group.before for at in range(group.at, group.at + count)]
            for block, at in places:
                _own(owners, f"token {at} before block {block}", name)
        for matrix, update in points.updates.items():
            updates.setdefault(matrix, []).append(update)
            updated[matrix] = f"{updated[matrix]} or {name!r}" if matrix in updated else repr(name)
        for place, residual in points.residuals.items():
            residuals.setdefault(place, []).append(residual)
        for weight, value in points.weights.items():
            _own(owners, f"weight {weight!r}", name)
            weights[weight] = value
    return TowerPoints(
        extra,
        replaced,
        {key: _sum(some) for key, some in updates.items()},
        {key: _sum(some) for key, some in residuals.items()},
        weights,
        owners=updated,
    )


def _named(name: str, points: TowerPoints) -> dict[str, ExtraTokens]:
    return {f"{name}.{key}": tokens for key, tokens in points.extra.items()}


def _sum(functions: list[Callable[..., Tensor]]) -> Callable[..., Tensor]:
    if len(functions) == 1:
        return functions[0]

    def added(*inputs: Tensor) -> Tensor:
        first, *others = [function(*inputs) for function in functions]
        return sum(others, first)

    return added


def _own(owners: dict[Any, str], what: str, name: str) -> None:
    """Enter what a tuner replaces; two cannot replace the same."""
    if (other := owners.setdefault(what, name)) != name:
        raise ConfigError(
            f"tuners {other!r} and {name!r} both replace {what}. Leave it to one of them."
        )
