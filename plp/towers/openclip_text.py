"""open_clip's own text transformer."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plp.towers.block import Block
from plp.towers.half_copy import HalfCopy
from plp.towers.openclip_block import OpenCLIPBlock
from plp.towers.parts import Matrix
from plp.towers.text_blocks import TextBlocks


class OpenCLIPText(TextBlocks):
    """Reader of `open_clip.transformer.TextTransformer`, and of the same parts of `open_clip.CLIP`.

    Args:
        tower: The module that holds embeddings, blocks and projection.
    """

    roots = ("tower",)
    apart = ("visual",)

    def __init__(self, tower: Any) -> None:
        self.tower = tower
        self.width = tower.token_embedding.embedding_dim
        self.vocabulary = tower.token_embedding.num_embeddings
        self._half = HalfCopy()

    def embed(self, ids: Int[Tensor, " S"]) -> Float[Tensor, "S D"]:
        """Look token embeddings up."""
        return self.tower.token_embedding(ids).detach()

    def positions(self, length: int) -> Float[Tensor, "L D"]:
        """Return the first positional embeddings."""
        return self.tower.positional_embedding[:length]

    def blocks(self, device: torch.device) -> Sequence[Block]:
        """Return a reader of each residual block."""
        network: Any = self._half.of(self.tower.transformer, device)
        return [OpenCLIPBlock(block) for block in network.resblocks]

    def finish(self, tokens: Float[Tensor, "M D"]) -> Float[Tensor, "M E"]:
        """Apply the last norm and the projection, where there is one."""
        x = self.tower.ln_final(tokens)
        projection = self.tower.text_projection
        if projection is None:
            return x
        if isinstance(projection, nn.Linear):
            return projection(x)
        return self.added("projection", x, x @ projection)

    def projection(self) -> Matrix | None:
        """Return the projection where it is a bare parameter."""
        bare = isinstance(self.tower.text_projection, Tensor)
        return Matrix(self.tower, "text_projection", None, transposed=True) if bare else None

    def class_token(self) -> Float[Tensor, " D"] | None:
        """Return CoCa's class token, which has the last position whatever the text's length."""
        token = getattr(self.tower, "cls_emb", None)
        return None if token is None else token + self.tower.positional_embedding[-1]
