"""Blocks of a tower that are computed again in the backward pass, instead of kept for it."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch.utils.checkpoint import checkpoint

from plp.towers.points import TowerPoints

_T = TypeVar("_T")


def run_block(points: TowerPoints | None, block: Callable[..., _T], *inputs: Any) -> _T:
    """Return `block(*inputs)`, without its intermediate tensors where points ask for that.

    What enters is kept, and the block is computed once more for its gradient, with the same random
    numbers and under the same autocast. Gradient reaches all that the block reads: inputs, and what
    acts on it.

    Args:
        points: What acts on the tower.
        block: Computes the block; it must yield the same when it is called again later.
        inputs: Tensors, alone or in dicts.
    """
    if points is None or not points.checkpoint_blocks or not torch.is_grad_enabled():
        return block(*inputs)
    return checkpoint(block, *inputs, use_reentrant=False)
