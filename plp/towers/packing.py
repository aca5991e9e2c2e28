"""Which tokens of a set of texts must be computed: no padding, and a shared beginning once."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.upload import upload


class Packing(NamedTuple):
    """The U tokens of M texts that differ, and where each text finds its own.

    In a causal tower the state of a token depends on what stands before it and on nothing else. So
    a beginning that several texts share is computed once, and padding never.

    Attributes:
        kept: Where the U tokens lie among the M * L places of the padded texts.
        places: For each place of each text, the row of its token among the U; any row for padding.
        ends: Row of each text's end token.
        real: Which places are no padding.
    """

    kept: Int[Tensor, " U"]
    places: Int[Tensor, "M L"]
    ends: Int[Tensor, " M"]
    real: Bool[Tensor, "M L"]

    def spread(self, rows: Float[Tensor, "U W"]) -> Float[Tensor, "M L W"]:
        """Lay tokens out text by text, for attention; shared ones are repeated."""
        # An embedding, because its gradient adds up in one order on every device.
        return F.embedding(self.places, rows)

    def collect(self, padded: Float[Tensor, "M L W"]) -> Float[Tensor, "U W"]:
        """Take the U tokens out of padded texts."""
        return padded.flatten(0, 1).index_select(0, self.kept)

    def to(self, device: torch.device) -> "Packing":
        """Copy to a device, without waiting for it."""
        return Packing(*(upload(part, device) for part in self))


def pack(end: Int[Tensor, "C N"], length: int, shared: int) -> Packing:
    """Say which tokens of the texts to compute.

    Args:
        end: Position of each end token; on the CPU, for the number of tokens is read from it.
        length: L, tokens of a padded text.
        shared: How many tokens at the beginning of prompt n are the same in all classes.

    Example:
        >>> packing = pack(torch.tensor([[3], [2]]), length=4, shared=2)
        >>> packing.kept, packing.places
        (tensor([0, 1, 2, 3, 6]), tensor([[0, 1, 2, 3],
                [0, 1, 4, 0]]))
    """
    position = torch.arange(length, device=end.device)
    real = position <= end[..., None]  # [C, N, L]
    computed = real.clone()
    computed[1:, :, :shared] = False
    rows = (computed.flatten().cumsum(0) - 1).unflatten(0, computed.shape)
    places = torch.where(position < shared, rows[:1], rows.where(computed, 0))
    ends = places.gather(-1, end[..., None])
    kept = computed.flatten().nonzero()[:, 0]
    return Packing(kept, places.flatten(0, 1), ends.flatten(), real.flatten(0, 1))
