"""Classes in the order of the lengths of their texts, so that a part is padded to its own longest.

No number changes: a text is the same whatever texts stand beside it.
"""

from jaxtyping import Float, Int
from torch import Tensor

from plp.upload import upload

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

    Parts are of `most` classes. Where all could go at once, the half with the shorter texts is
    split off as long as that spares it padding and both halves have 32 classes or more; then
    again from what is left. Lengths of names have a long tail, which halves leave to few classes.

    Args:
        lengths: Tokens of a text of each class, ascending.
        most: Most classes of a part; None for no limit.

    Example:
        >>> import torch
        >>> part_sizes(torch.arange(10), most=4), part_sizes(torch.arange(130), most=None)
        ([4, 4, 2], [65, 32, 33])
    """
    left = len(lengths)
    if most is not None and left > most:
        return [min(most, left - begin) for begin in range(0, left, most)]
    sizes: list[int] = []
    while left >= 2 * _FEWEST and lengths[len(lengths) - left + left // 2 - 1] < lengths[-1]:
        sizes.append(left // 2)
        left -= sizes[-1]
    return [*sizes, left]
