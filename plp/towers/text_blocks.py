"""The description of a text tower that is a transformer."""

from abc import abstractmethod

from jaxtyping import Float, Int
from torch import Tensor

from plp.towers.tower import BlockTower


class TextBlocks(BlockTower):
    """Token ids to embeddings, blocks, and a block's token to the text feature.

    A reader of a family says these things once; which tokens are computed, and what they may look
    at, is the affair of `CausalText` and `WholeText`.

    Holds the library's modules in the attributes that `roots` names, owns no parameter. `blocks`
    says what it is made of; `matrices`, `norms` and `at` follow from that (`plp.towers.tower`).

    Attributes:
        width: D, width of a token.
        vocabulary: How many tokens the tower knows.
    """

    width: int
    vocabulary: int

    @abstractmethod
    def embed(self, ids: Int[Tensor, " S"]) -> Float[Tensor, "S D"]:
        """Look token embeddings up, without positions and without a graph."""

    @abstractmethod
    def positions(self, length: int) -> Float[Tensor, "L D"]:
        """Return what is added to the embeddings of the first `length` places."""

    @abstractmethod
    def finish(self, tokens: Float[Tensor, "M D"]) -> Float[Tensor, "M E"]:
        """Return text features of the tokens that texts are read at: last norm, projection."""

    def class_token(self) -> Float[Tensor, " D"] | None:
        """Return the token that stands behind every text, its position added; None for none."""
        return None
