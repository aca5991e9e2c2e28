"""Low-rank updates, and their sums with the weights they act on, for passes without gradient."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from plp.towers.parts import Matrix
from plp.towers.points import Update
from plp.towers.weights_state import tensor_state

Place = tuple[nn.Module, str]


class LowRankUpdate:
    """`x -> scale * up(down(x))`, of rank R: the update of LoRA (arXiv:2106.09685, eq. 3).

    Args:
        down: A.
        up: B; zero leaves the tower as it is, bit for bit.
        scale: LoRA's alpha / R.
        dropout: Of this path's input, as LoRA trains; 0 for none.
        merged: Where the sum of matrix and update is kept, to be multiplied with in place of both;
            None where they are multiplied with one after the other. Without gradient and dropout.
    """

    def __init__(
        self,
        down: Float[Tensor, "R I"],
        up: Float[Tensor, "O R"],
        scale: float = 1.0,
        dropout: float = 0.0,
        merged: "MergedWeights | None" = None,
    ) -> None:
        self.down, self.up, self.scale, self.dropout = down, up, scale, dropout
        self.merged = merged

    def __call__(self, x: Float[Tensor, "*batch I"]) -> Float[Tensor, "*batch O"]:
        """Return what is added to the matrix's product."""
        if self.dropout:
            x = F.dropout(x, self.dropout)
        return F.linear(F.linear(x, self.down), self.up) * self.scale

    def matrix(self) -> Float[Tensor, "O I"]:
        """Return what would be added to the matrix itself, in float32 or better: for merging."""
        with torch.autocast(self.up.device.type, enabled=False):
            up, down = (
                x.to(torch.promote_types(x.dtype, torch.float32)) for x in (self.up, self.down)
            )
            return up @ down * self.scale


class _Summand(NamedTuple):
    """An update, and the matrix it acts on, which may be a third of a weight."""

    matrix: Matrix
    update: LowRankUpdate


class MergedWeights:
    """Sums of weights and their updates, kept while neither of them changes.

    They are made in float32 of the tower's own weights, which stay as they are: nothing is ever
    subtracted again, so that nothing drifts. Changes in place that no version counter sees (through
    `.data`) are not noticed; `forget` after them.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], tuple[Any, Tensor]] = {}

    def forget(self) -> None:
        """Drop what is kept."""
        self._kept = {}

    def of(self, original: Tensor, summands: Mapping[str, _Summand]) -> Tensor:
        """Return a weight with updates, by name of the matrix, merged in."""
        updates = [one.update for one in summands.values()]
        tensors = [tensor for one in updates for tensor in (one.down, one.up)]
        state = [one.scale for one in updates], *map(tensor_state, [original, *tensors])
        key = tuple(summands)
        kept = self._kept.get(key)
        if kept is None or kept[0] != state:
            with torch.inference_mode(False), torch.no_grad():
                kept = self._kept[key] = state, _sum(original, list(summands.values()))
        return kept[1]

    def __deepcopy__(self, memo: dict[int, Any]) -> "MergedWeights":
        return MergedWeights()


def split_merged(
    updates: Mapping[str, Update], matrices: Mapping[str, Matrix]
) -> tuple[dict[str, LowRankUpdate], dict[str, Update]]:
    """Return the updates that are to be merged, and the others.

    A weight that is computed when it is asked for (a parametrised module's) is left alone.
    """
    merged = {
        name: update
        for name, update in updates.items()
        if isinstance(update, LowRankUpdate)
        and update.merged is not None
        and matrices[name].weight in matrices[name].module._parameters
    }
    return merged, {name: update for name, update in updates.items() if name not in merged}


def merged_changes(
    updates: Mapping[str, LowRankUpdate],
    matrices: Mapping[str, Matrix],
    given: Mapping[Place, Tensor],
    kept: MergedWeights | None = None,
) -> dict[Place, Tensor]:
    """Return the weights that take the place of those that updates act on.

    Args:
        updates: By name of the matrix.
        matrices: By name.
        given: Weights from outside, which stand in place of the tower's own.
        kept: Where sums are kept; None for where the updates say.
    """
    places: dict[Place, dict[str, _Summand]] = {}
    for name, update in updates.items():
        matrix = matrices[name]
        summands = places.setdefault((matrix.module, matrix.weight), {})
        summands[name] = _Summand(matrix, update)
    found = {}
    for place, summands in places.items():
        memory = kept or next(iter(summands.values())).update.merged or MergedWeights()
        original = given.get(place)
        found[place] = memory.of(
            place[0].get_parameter(place[1]) if original is None else original, summands
        )
    return found


def _sum(original: Tensor, summands: Sequence[_Summand]) -> Tensor:
    precise = torch.promote_types(original.dtype, torch.float32)
    total = original.detach().to(precise, copy=True)
    for matrix, update in summands:
        rows = len(total) // 3
        part = total if matrix.part is None else total[matrix.part * rows :][:rows]
        part += matrix.like(update.matrix().to(total))
    return total.to(original.dtype)
