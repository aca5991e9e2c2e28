"""Classes in the order of the lengths of their texts, so that a part is padded to its own longest.

No number changes: a text is the same whatever texts stand beside it.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from plp.upload import upload

_SLACK = 1.25  # lengths that hardly differ make no more parts
_FEWEST = 32  # classes of a part that is split off for its length: below, starting kernels counts


def by_length(lengths: Int[Tensor, " C"]) -> Int[Tensor, " C"]:
    """Return the classes, those of the shortest texts first; on the CPU."""
    return lengths.cpu().argsort(stable=True)


def in_order(rows: Float[Tensor, "C ..."], order: Int[Tensor, " C"]) -> Float[Tensor, "C ..."]:
    """Put rows of sorted classes back: row i belongs to class `order[i]`."""
    # Each row is taken once, so that the gradient adds nothing up and is the same every time.
    return rows.index_select(0, upload(order.argsort(), rows.device))


def part_sizes(lengths: Int[Tensor, " C"], most: int | None) -> list[int]:
    """Say how many of the sorted classes go together.

    Parts are of `most` classes, and of fewer where names are long: padded to the longest, those of
    a part take no more than `most` names of mean length, and a quarter. The largest part is what
    memory is needed for, and it would else be the one of the longest names. Where all could go at
    once, the half with the shorter texts is split off as long as that spares it padding and both
    halves have 32 classes or more; then again from what is left. Lengths of names have a long tail,
    which halves leave to few classes.

    Args:
        lengths: Tokens of a text of each class, ascending.
        most: Most classes of a part; None for no limit.

    Example:
        >>> import torch
        >>> part_sizes(torch.tensor([1] * 6 + [2, 4]), most=4), part_sizes(torch.arange(130), None)
        ([4, 3, 1], [65, 32, 33])
    """
    left = len(lengths)
    sizes: list[int] = []
    if most is not None and left > most:
        room = int(_SLACK * most * int(lengths.sum()) / left)  # for the padded names of a part
        while left:
            next_ones = lengths[len(lengths) - left :][:most]
            padded = torch.arange(1, len(next_ones) + 1) * next_ones.cummax(0).values
            sizes.append(max(int((padded <= room).sum()), 1))
            left -= sizes[-1]
        return sizes
    while left >= 2 * _FEWEST and lengths[len(lengths) - left + left // 2 - 1] < lengths[-1]:
        sizes.append(left // 2)
        left -= sizes[-1]
    return [*sizes, left]
