"""A residual block of a transformer tower, whatever library it comes from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from plp.towers.attention import attend
from plp.towers.parts import Matrix
from plp.towers.points import NOTHING, Residual, Update


class Block(ABC):
    r"""One block: `x <- x + output(mix(q, k, v))`, then `x <- x + mlp(x)`.

    q, k and v are projections of `normed(x)`: of the block's first layer norm where it stands in
    front of the attention, of x itself where norms come last. What else a family has (norms of
    queries and keys, rotary or relative positions, gates, layer scale) is inside these methods, so
    that nobody above needs to know of it.

    A reader implements `normed`, `project`, `output`, `mlp_normed` and `mlp`, and overrides
    `compared` and `bias` where attention is not plain. Others call `qkv`, `mix`, `mix_values`,
    `output` and `finish`.

    Holds modules, owns no parameter; making one costs nothing.

    Attributes:
        block: The library's module; its matrices and norms are named by where they lie in it.
        heads: Attention heads.
        updates: What is added to 'q', 'k' or 'v' where they are parts of one matrix; updates of
            matrices that are modules act inside these (`plp.towers.tower`).
        residuals: What stands beside 'attention', 'mlp', or the whole 'block'.
    """

    block: Any
    heads: int
    updates: Mapping[str, Update] = NOTHING
    residuals: Mapping[str, Residual] = NOTHING

    @abstractmethod
    def normed(self, x: Float[Tensor, "*batch W"]) -> Float[Tensor, "*batch W"]:
        """Return what the attention's projections read."""

    @abstractmethod
    def project(
        self, normed: Float[Tensor, "*batch W"], first: int, last: int
    ) -> list[Float[Tensor, "*batch V"]]:
        """Return parts `first` up to `last` of the library's own projections: 0 q, 1 k, 2 v."""

    @abstractmethod
    def output(
        self, mixed: Float[Tensor, "*batch V"], normed: Float[Tensor, "*batch W"]
    ) -> Float[Tensor, "*batch W"]:
        """Return what the attention adds to the tokens; `normed` is that of the same tokens."""

    @abstractmethod
    def mlp_normed(self, x: Float[Tensor, "*batch W"]) -> Float[Tensor, "*batch W"]:
        """Return what the MLP reads."""

    @abstractmethod
    def mlp(self, normed: Float[Tensor, "*batch W"]) -> Float[Tensor, "*batch W"]:
        """Return what the MLP adds to the tokens."""

    def packed(self) -> Matrix | None:
        """Return the matrix whose thirds are q, k and v; None where each is a module."""
        return None

    def compared(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries and keys as they are compared: normed, turned; split by head if need be.

        Args:
            query: [M, Q, V], of the first Q tokens.
            key: [M, L, V], of all tokens.
        """
        return query, key

    def bias(self, queries: int, keys: int) -> Float[Tensor, "_ _ Q L"] | None:
        """Return numbers that are added to the scores of the first tokens; None for none."""
        return None

    def qkv(
        self, normed: Float[Tensor, "*batch W"], first: int, last: int
    ) -> list[Float[Tensor, "*batch V"]]:
        """Return parts `first` up to `last` of the projections, with what is added to them."""
        parts = self.project(normed, first, last)
        if self.updates:
            for place, name in enumerate("qkv"[first:last]):
                if name in self.updates:
                    parts[place] = parts[place] + self.updates[name](normed)
        return parts

    def qkv_together(
        self, normed: Float[Tensor, "*batch W"], first: int, last: int
    ) -> Float[Tensor, "*batch X"]:
        """Return the same in one tensor, side by side."""
        return torch.cat(self.qkv(normed, first, last), dim=-1)

    def mix(
        self,
        query: Float[Tensor, "B Q V"],
        key: Float[Tensor, "B L V"],
        value: Float[Tensor, "B L V"],
        mask: Bool[Tensor, "..."] | None = None,
        causal: bool = False,
    ) -> Float[Tensor, "B Q V"]:
        """Return the block's own attention.

        Args:
            query: Of the first Q tokens; in a text tower of any.
            key: Of all tokens.
            value: Of all tokens.
            mask: True where a query may look, [B, 1, Q, L] or what broadcasts to it.
            causal: A token sees itself and what stands before it; in place of a mask.
        """
        q, k = self.compared(query, key)
        bias = self.bias(query.shape[1], key.shape[1])
        if bias is None:
            return attend(q, k, value, self.heads, causal, mask)
        if causal:
            mask = torch.ones(*bias.shape[-2:], dtype=torch.bool, device=bias.device).tril()
        bias = bias.to(q.dtype)
        seen = bias if mask is None else bias.masked_fill(~mask, float("-inf"))
        return attend(q, k, value, self.heads, mask=seen)

    def mix_values(
        self, query: Float[Tensor, "B Q V"], value: Float[Tensor, "B L V"]
    ) -> Float[Tensor, "B Q V"]:
        r"""Return v-v attention: softmax(v v^T / sqrt(d)) v, with the values as queries and keys.

        Values carry no position and have no norm of their own, so that neither plays a part here.
        """
        return attend(query, value, value, self.heads)

    def finish(
        self,
        x: Float[Tensor, "*batch W"],
        normed: Float[Tensor, "*batch W"],
        attended: Float[Tensor, "*batch W"],
    ) -> Float[Tensor, "*batch W"]:
        """Return the block's output: attention added, MLP added, and what stands beside them.

        Args:
            x: Input of the block.
            normed: `normed(x)`.
            attended: What attention adds to x.
        """
        residuals = self.residuals
        out = x + attended
        if "attention" in residuals:
            out = out + residuals["attention"](x, normed)
        out = self.feed_forward(out)
        if "block" in residuals:
            out = out + residuals["block"](x, normed)
        return out

    def feed_forward(self, x: Float[Tensor, "*batch W"]) -> Float[Tensor, "*batch W"]:
        """Return x plus what the MLP, and what stands beside it, add to it."""
        normed = self.mlp_normed(x)
        out = x + self.mlp(normed)
        if "mlp" in self.residuals:
            out = out + self.residuals["mlp"](x, normed)
        return out
