"""What a backbone needs from the reader of a text tower."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from plp.errors import ConfigError
from plp.towers.points import TowerPoints
from plp.towers.text_layout import TextLayout
from plp.towers.tokens import Tokens
from plp.towers.tower import NamedTower


class TextPrefix(NamedTuple):
    """Texts on their way through a tower, in front of a block.

    Attributes:
        block: The block that comes next; the number of blocks behind the last.
        tokens: What enters it, before anything acts there, packed or padded: [U, D] or
            [C * N, L, D]. Behind the last block only the tokens that are read, [C * N, D].
        layout: Where texts end.
    """

    block: int
    tokens: Float[Tensor, "*U D"]
    layout: TextLayout


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

    @property
    @abstractmethod
    def description(self) -> NamedTower:
        """The tower as points name its parts."""

    @abstractmethod
    def embed(self, ids: Int[Tensor, " S"]) -> Float[Tensor, "S D"]:
        """Look token embeddings up, without positions and without a graph."""

    @abstractmethod
    def encode(
        self,
        embeddings: Float[Tensor, "C N L D"],
        end: Int[Tensor, "C N"],
        shared: int = 0,
        points: TowerPoints | None = None,
    ) -> Float[Tensor, "C N E"]:
        """Encode texts.

        Args:
            embeddings: Token embeddings, without positions; what lies behind a text's end is not
                read.
            end: Position of each text's last token; on the CPU.
            shared: Tokens at the beginning of a prompt that all classes share.
            points: What acts on the tower.
        """

    def prefix(
        self,
        embeddings: Float[Tensor, "C N L D"],
        end: Int[Tensor, "C N"],
        block: int,
        shared: int = 0,
        points: TowerPoints | None = None,
    ) -> TextPrefix:
        """Encode texts up to a block, for `resume`: the part of a tower that nothing reaches."""
        raise ConfigError(f"{type(self.description).__name__} is not read block by block")

    def resume(
        self, prefix: TextPrefix, points: TowerPoints | None = None
    ) -> Float[Tensor, "C N E"]:
        """Encode what `prefix` stopped in front of, to the end; see `encode`."""
        raise ConfigError(f"{type(self.description).__name__} is not read block by block")
