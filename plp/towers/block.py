"""A residual block of a transformer tower, whatever library it comes from."""

from abc import ABC, abstractmethod

from jaxtyping import Bool, Float
from torch import Tensor

from plp.towers.attention import attend


class Block(ABC):
    r"""One block: `x <- x + output(mix(q, k, v))`, then `x <- x + mlp(x)`.

    q, k and v are projections of `normed(x)`: of the block's first layer norm where it stands in
    front of the attention, of x itself where norms come last. What else a family has (norms of
    queries and keys, rotary or relative positions, gates, layer scale) is inside these methods, so
    that nobody above needs to know of it.

    Holds modules, owns no parameter; making one costs nothing.

    Attributes:
        heads: Attention heads.
    """

    heads: int

    @abstractmethod
    def normed(self, x: Float[Tensor, "B L W"]) -> Float[Tensor, "B L W"]:
        """Return what the attention's projections read."""

    @abstractmethod
    def project(
        self, normed: Float[Tensor, "B L W"], first: int, last: int
    ) -> list[Float[Tensor, "B L V"]]:
        """Return parts `first` up to `last` of the projections: 0 query, 1 key, 2 value."""

    def mix(
        self,
        query: Float[Tensor, "B Q V"],
        key: Float[Tensor, "B L V"],
        value: Float[Tensor, "B L V"],
        mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "B Q V"]:
        """Return the block's own attention.

        Args:
            query: Of the first Q tokens; in a text tower of any.
            key: Of all tokens.
            value: Of all tokens.
            mask: True where a query may look, [B, 1, Q, L] or what broadcasts to it.
        """
        return attend(query, key, value, self.heads, mask=mask)

    def mix_values(
        self, query: Float[Tensor, "B Q V"], value: Float[Tensor, "B L V"]
    ) -> Float[Tensor, "B Q V"]:
        r"""Return v-v attention: softmax(v v^T / sqrt(d)) v, with the values as queries and keys.

        Values carry no position and have no norm of their own, so that neither plays a part here.
        """
        return attend(query, value, value, self.heads)

    @abstractmethod
    def output(
        self, mixed: Float[Tensor, "B Q V"], normed: Float[Tensor, "B Q W"]
    ) -> Float[Tensor, "B Q W"]:
        """Return what the attention adds to the tokens; `normed` is that of the same tokens."""

    @abstractmethod
    def feed_forward(self, x: Float[Tensor, "B L W"]) -> Float[Tensor, "B L W"]:
        """Return x plus what the MLP adds to it."""
