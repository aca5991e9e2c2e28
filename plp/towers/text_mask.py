"""Which token of a text may look at which."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor


class TextMask(NamedTuple):
    """What the tokens of a text tower may look at.

    A class token behind the text sees the text and, with `class_sees_itself`, itself. In CoCa's
    published weights the mask is shifted by one: the class token sees the first padded place, and
    does not see itself unless the text fills the context.

    Attributes:
        causal: A token sees itself and what stands before it.
        padding: Nothing looks at padding.
        class_sees_itself: False for CoCa's shifted mask.
    """

    causal: bool = False
    padding: bool = False
    class_sees_itself: bool = True

    def of(
        self, ends: Int[Tensor, " M"], length: int, full: Bool[Tensor, " M"], by_class: bool
    ) -> Bool[Tensor, "_ 1 _q _k"] | None:
        """Return the mask of texts of one length; None where every token sees all.

        Args:
            ends: Position of each text's last token.
            length: Places of a text, the class token's not counted.
            full: Which texts fill the context.
            by_class: Whether a class token stands behind them.
        """
        if by_class:
            return self._with_class(ends, length, full)
        if self.causal:
            return torch.ones(length, length, dtype=torch.bool).tril()[None, None]
        if self.padding:
            return (torch.arange(length) <= ends[:, None])[:, None, None]
        return None

    def _with_class(
        self, ends: Int[Tensor, " M"], length: int, full: Bool[Tensor, " M"]
    ) -> Bool[Tensor, "M 1 Q K"]:
        places = length + 1
        mask = torch.ones(places, places, dtype=torch.bool).tril().repeat(len(ends), 1, 1)
        seen = torch.arange(length) <= ends[:, None] + (not self.class_sees_itself)
        itself = torch.ones(len(ends), dtype=torch.bool) if self.class_sees_itself else full
        mask[:, -1] = torch.cat([seen, itself[:, None]], dim=1)
        return mask[:, None]
