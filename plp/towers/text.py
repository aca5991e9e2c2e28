"""What a backbone needs from the reader of a text tower."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor

from plp.towers.tokens import Tokens


class TextTower(ABC):
    """Token embeddings of whole texts to text features. Holds the module, owns no parameter.

    Args:
        tokens: The tower's tokenizer.
        context_length: Most tokens a text may have, those around it included.
        width: D, width of a token embedding.
        vocabulary: How many tokens it knows.
    """

    def __init__(self, tokens: Tokens, context_length: int, width: int, vocabulary: int) -> None:
        self.tokens = tokens
        self.context_length = context_length
        self.width = width
        self.vocabulary = vocabulary

    @abstractmethod
    def embed(self, ids: Int[Tensor, " S"]) -> Float[Tensor, "S D"]:
        """Look token embeddings up, without positions and without a graph."""

    @abstractmethod
    def encode(
        self, embeddings: Float[Tensor, "C N L D"], end: Int[Tensor, "C N"], shared: int = 0
    ) -> Float[Tensor, "C N E"]:
        """Encode texts.

        Args:
            embeddings: Token embeddings, without positions; what lies behind a text's end is not
                read.
            end: Position of each text's last token; on the CPU.
            shared: Tokens at the beginning of a prompt that all classes share.
        """
