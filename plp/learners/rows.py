"""Predictions of a batch as rows: one dict an image."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor


def rows_of(
    logits: Mapping[str, Float[Tensor, "B C"]], **carried: Int[Tensor, " B"] | None
) -> list[dict[str, Any]]:
    """Return for each image its logits and what is carried, under their names; all on the CPU.

    Args:
        logits: By name; rows hold them in float32.
        carried: Labels and the like; None for what there is not.
    """
    values = {name: value.float().cpu() for name, value in logits.items()}
    numbers = {name: value.cpu() for name, value in carried.items() if value is not None}
    return [
        # Copies: a view would take the whole batch along to another process.
        {name: value[i].clone() for name, value in values.items()}
        | {name: int(value[i]) for name, value in numbers.items()}
        for i in range(len(next(iter(values.values()))))
    ]
