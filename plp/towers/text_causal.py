"""open_clip's text transformer where it is causal and read at the end token: cut and packed."""

from typing import Any

from jaxtyping import Float, Int
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor, nn

from plp.towers.attention import attend, project_packed
from plp.towers.half_copy import HalfCopy
from plp.towers.packing import Packing, pack
from plp.towers.text import TextTower
from plp.towers.tokens import Tokens


class CausalText(TextTower):
    """Reads a text tower in which cutting is exact.

    With causal attention what follows the end token cannot reach it, so that no padding is
    computed; and a beginning that texts share is the same in all of them.

    Args:
        tower: The module that holds embeddings, blocks and projection.
        tokens: Its tokenizer.
        context_length: Most tokens of a text.
    """

    def __init__(self, tower: Any, tokens: Tokens, context_length: int) -> None:
        self.tower = tower
        self.tokens = tokens
        self.context_length = context_length
        self.width = tower.token_embedding.embedding_dim
        self.vocabulary = tower.token_embedding.num_embeddings
        self._half = HalfCopy()

    def embed(self, ids: Int[Tensor, " S"]) -> Float[Tensor, "S D"]:
        """Look token embeddings up."""
        return self.tower.token_embedding(ids).detach()

    def encode(
        self, embeddings: Float[Tensor, "C N L D"], end: Int[Tensor, "C N"], shared: int = 0
    ) -> Float[Tensor, "C N E"]:
        """Encode texts that are already cut.

        Padding is not computed, nor a shared beginning more than once, nor in the last block
        anything but the end tokens that the texts are read at.

        Args:
            embeddings: Token embeddings, without positions.
            end: Position of each text's end token; on the CPU.
            shared: Tokens at the beginning of a prompt that all classes share.
        """
        tower, length = self.tower, embeddings.shape[2]
        texts = pack(end, length, shared).to(embeddings.device)
        positions = tower.positional_embedding[:length].to(embeddings.dtype)
        x = texts.collect((embeddings + positions).flatten(0, 1))  # [U, D]
        transformer: Any = self._half.of(tower.transformer, x.device)
        *blocks, last = transformer.resblocks
        for block in blocks:
            x = _block(block, x, texts)
        x = tower.ln_final(_last_block(last, x, texts))  # [M, D]
        projection = tower.text_projection
        if projection is not None:
            x = projection(x) if isinstance(projection, nn.Linear) else x @ projection
        return x.unflatten(0, end.shape)


def _block(
    block: ResidualAttentionBlock, x: Float[Tensor, "U D"], texts: Packing
) -> Float[Tensor, "U D"]:
    packed = project_packed(block.attn, block.ln_1(x), 0, 3)
    query, key, value = texts.spread(packed).chunk(3, dim=-1)
    mixed = texts.collect(attend(query, key, value, block.attn.num_heads, causal=True))
    return _finish(block, x, mixed)


def _last_block(
    block: ResidualAttentionBlock, x: Float[Tensor, "U D"], texts: Packing
) -> Float[Tensor, "M D"]:
    """Compute the end tokens alone; they attend to the whole of their texts."""
    normed = block.ln_1(x)
    query = project_packed(block.attn, normed.index_select(0, texts.ends), 0, 1)
    packed = project_packed(block.attn, normed, 1, 3)
    key, value = texts.spread(packed).chunk(2, dim=-1)
    seen = texts.real[:, None, None]  # [M, 1, 1, L]
    mixed = attend(query[:, None], key, value, block.attn.num_heads, mask=seen)[:, 0]
    return _finish(block, x.index_select(0, texts.ends), mixed)


def _finish(
    block: ResidualAttentionBlock, x: Float[Tensor, "U D"], mixed: Float[Tensor, "U D"]
) -> Float[Tensor, "U D"]:
    x = x + block.ls_1(block.attn.out_proj(mixed))
    return x + block.ls_2(block.mlp(block.ln_2(x)))
