"""Which of the classes that are scored a branch was trained with."""

from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


@final
class ClassPlaces(nn.Module):
    """Places of the current classes among those of the training.

    At first the current classes are those of the training, in their order. No part of a state dict:
    class names are kept beside it.

    Example:
        >>> places = ClassPlaces()
        >>> learned, texts = torch.tensor([[1.0], [2.0]]), torch.tensor([[7.0], [8.0], [9.0]])
        >>> places.match(torch.tensor([1, -1, 0]))
        >>> places.rows(learned, texts).flatten()
        tensor([2., 8., 1.])
        >>> places.trained(3)
        tensor([ True, False,  True])
    """

    index: Int[Tensor, " C"] | None  # -1 for a class that is new; a buffer

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("index", None, persistent=False)

    def match(self, trained: Int[Tensor, " C"]) -> None:
        """Take the place of each current class; -1 for one that was not trained."""
        self.index = trained

    def trained(self, classes: int) -> Bool[Tensor, " C"]:
        """Say which of the current classes were trained."""
        if self.index is None:
            return torch.ones(classes, dtype=torch.bool)
        return self.index >= 0

    def rows(
        self, learned: Float[Tensor, "K ..."], otherwise: Float[Tensor, "C ..."]
    ) -> Float[Tensor, "C ..."]:
        """Return the learned row of each current class, and `otherwise` of those that are new."""
        if self.index is None:
            return learned
        index = self.index.to(learned.device)
        known = (index >= 0).unflatten(0, (-1, *[1] * (learned.ndim - 1)))
        return torch.where(known, learned[index.clamp(min=0)], otherwise)
