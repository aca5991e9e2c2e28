"""A causal text tower that is read at the end token: cut and packed."""

from jaxtyping import Float, Int
from torch import Tensor

from plp.towers.block import Block
from plp.towers.packing import Packing, pack
from plp.towers.text import TextTower
from plp.towers.text_blocks import TextBlocks
from plp.towers.tokens import Tokens


class CausalText(TextTower):
    """Reads a text tower in which cutting is exact.

    With causal attention what follows the end token cannot reach it, so that no padding is
    computed; and a beginning that texts share is the same in all of them.

    Args:
        text: The tower's description.
        tokens: Its tokenizer.
        context_length: Most tokens of a text.
    """

    def __init__(self, text: TextBlocks, tokens: Tokens, context_length: int) -> None:
        super().__init__(tokens, context_length, text.width, text.vocabulary)
        self.text = text

    def embed(self, ids: Int[Tensor, " S"]) -> Float[Tensor, "S D"]:
        """Look token embeddings up."""
        return self.text.embed(ids)

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
        length = embeddings.shape[2]
        texts = pack(end, length, shared).to(embeddings.device)
        positions = self.text.positions(length).to(embeddings.dtype)
        x = texts.collect((embeddings + positions).flatten(0, 1))  # [U, D]
        *blocks, last = self.text.blocks(x.device)
        for block in blocks:
            x = _block(block, x, texts)
        return self.text.finish(_last_block(last, x, texts)).unflatten(0, end.shape)


def _block(block: Block, x: Float[Tensor, "U D"], texts: Packing) -> Float[Tensor, "U D"]:
    normed = block.normed(x)
    query, key, value = texts.spread(block.qkv_together(normed, 0, 3)).chunk(3, dim=-1)
    mixed = texts.collect(block.mix(query, key, value, causal=True))
    return block.finish(x, normed, block.output(mixed, normed))


def _last_block(block: Block, x: Float[Tensor, "U D"], texts: Packing) -> Float[Tensor, "M D"]:
    """Compute the end tokens alone; they attend to the whole of their texts."""
    normed = block.normed(x)
    own = normed.index_select(0, texts.ends)
    (query,) = block.qkv(own, 0, 1)
    key, value = texts.spread(block.qkv_together(normed, 1, 3)).chunk(2, dim=-1)
    seen = texts.real[:, None, None]  # [M, 1, 1, L]
    mixed = block.mix(query[:, None], key, value, seen)[:, 0]
    return block.finish(x.index_select(0, texts.ends), own, block.output(mixed, own))
