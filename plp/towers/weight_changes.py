"""Weights given from outside, as parameters of the modules whose place they take."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from plp.errors import ConfigError, did_you_mean
from plp.towers.parts import Matrix, listed

Place = tuple[nn.Module, str]


def weight_changes(
    given: Mapping[str, Tensor], matrices: Mapping[str, Matrix], norms: Mapping[str, nn.Module]
) -> dict[Place, Tensor]:
    """Return what takes the place of which parameter.

    Args:
        given: 'NAME.weight' or 'NAME.bias' of a matrix or norm -> its values; of a matrix as
            [out, in], however the library keeps it.
        matrices: By name.
        norms: By name.

    Raises:
        ConfigError: for a name or shape that does not fit.
    """
    changes: dict[Place, Tensor] = {}
    thirds: dict[Place, list[Tensor]] = {}
    for name, tensor in given.items():
        part, _, kind = name.rpartition(".")
        matrix = matrices.get(part) or (Matrix(norms[part]) if part in norms else None)
        place = _place(matrix, kind)
        if matrix is None or place is None:
            known = [f"{key}.weight" for key in [*matrices, *norms]]
            raise ConfigError(
                f"the tower has no weights {name!r}.{did_you_mean(name, known)} Give '.weight' or "
                f"'.bias' (where there is one) of: {listed([*matrices, *norms])}."
            )
        old = place[0].get_parameter(place[1])
        width = len(old) if matrix.part is None else len(old) // 3
        expected = matrix.shape if old.ndim > 1 else (width,)
        if tuple(tensor.shape) != tuple(expected):
            raise ConfigError(
                f"{name}: expected the shape {list(expected)}, got {list(tensor.shape)}"
            )
        values = matrix.like(tensor)
        if matrix.part is None:
            changes[place] = values
        else:
            thirds.setdefault(place, list(old.chunk(3)))[matrix.part] = values
    return changes | {place: torch.cat(values) for place, values in thirds.items()}


def _place(matrix: Matrix | None, kind: str) -> Place | None:
    """Return where a weight or bias lies; None where there is none."""
    if matrix is None or kind not in ("weight", "bias"):
        return None
    name = matrix.weight if kind == "weight" else matrix.bias
    if name is None or matrix.module._parameters.get(name) is None:
        return None
    return matrix.module, name
