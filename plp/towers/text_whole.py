"""Text towers in which cutting at the end token would change the feature."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.towers.block import Block
from plp.towers.text import TextTower
from plp.towers.text_blocks import TextBlocks
from plp.towers.text_mask import TextMask
from plp.towers.tokens import Tokens
from plp.upload import upload


class WholeText(TextTower):
    """Reads a text tower with its padding, masks and pooling as its library has them.

    - Without causal attention and without a mask every padded place counts (SigLIP, CLIPA,
      MobileCLIP2): all texts are filled up to the context length, and nothing can be cut.
    - With a mask of the padding, texts are cut at the longest.
    - A class token behind the text (CoCa) is where the feature is read; see `TextMask`.

    The last block computes only the token that the feature is read from.

    Args:
        text: The tower's description.
        tokens: Its tokenizer.
        context_length: Most tokens of a text.
        pool: Place that the feature is read from: 'first', 'last' of the context, or the end token
            by any other name. A class token comes before all of them.
        mask: What may look at what.
    """

    def __init__(
        self, text: TextBlocks, tokens: Tokens, context_length: int, pool: str, mask: TextMask
    ) -> None:
        super().__init__(tokens, context_length, text.width, text.vocabulary)
        self.text = text
        self.mask = mask
        self._pool = pool

    def embed(self, ids: Int[Tensor, " S"]) -> Float[Tensor, "S D"]:
        """Look token embeddings up."""
        return self.text.embed(ids)

    def encode(
        self, embeddings: Float[Tensor, "C N L D"], end: Int[Tensor, "C N"], shared: int = 0
    ) -> Float[Tensor, "C N E"]:
        """Encode texts; a shared beginning is computed for each, for all tokens see all others."""
        ends = end.flatten()
        class_token = self.text.class_token()
        x = self._filled(embeddings.flatten(0, 1), ends, class_token is not None)  # [M, T, D]
        length = x.shape[1]
        x = x + self.text.positions(length).to(x.dtype)
        if class_token is not None:
            x = torch.cat([x, class_token.to(x.dtype).expand(len(x), 1, -1)], dim=1)
        full = ends == self.context_length - 1
        mask = self.mask.of(ends, length, full, class_token is not None)
        mask = None if mask is None else upload(mask, x.device)
        rows = upload(self._read_from(ends, length, class_token is not None), x.device)
        *blocks, last = self.text.blocks(x.device)
        for block in blocks:
            x = _block(block, x, mask)
        return self.text.finish(_last_block(last, x, mask, rows)).unflatten(0, end.shape)

    def _filled(
        self, x: Float[Tensor, "M L D"], ends: Int[Tensor, " M"], by_class: bool
    ) -> Float[Tensor, "M T D"]:
        """Put padding behind each text, as far as something looks at it."""
        length = int(ends.max()) + 1
        if by_class:
            length = min(length + 1, self.context_length)
        elif self._pool == "last" or not (self.mask.causal or self.mask.padding):
            length = self.context_length
        x = F.pad(x[:, :length], (0, 0, 0, max(length - x.shape[1], 0)))
        real = upload(torch.arange(length) <= ends[:, None], x.device)
        pad = upload(torch.tensor([self.tokens.frame.pad]), x.device)
        return torch.where(real[..., None], x, self.embed(pad).to(x.dtype))

    def _read_from(self, ends: Int[Tensor, " M"], length: int, by_class: bool) -> Tensor:
        if by_class:
            return torch.full_like(ends, length)
        if self._pool == "last":
            return torch.full_like(ends, length - 1)
        return torch.zeros_like(ends) if self._pool == "first" else ends


def _block(
    block: Block, x: Float[Tensor, "M T D"], mask: Bool[Tensor, "..."] | None
) -> Float[Tensor, "M T D"]:
    normed = block.normed(x)
    query, key, value = block.qkv(normed, 0, 3)
    return block.finish(x, normed, block.output(block.mix(query, key, value, mask), normed))


def _last_block(
    block: Block,
    x: Float[Tensor, "M T D"],
    mask: Bool[Tensor, "..."] | None,
    rows: Int[Tensor, " M"],
) -> Float[Tensor, "M D"]:
    """Compute one token of each text alone; it attends to all that it may look at."""
    normed = block.normed(x)
    each = torch.arange(len(x), device=x.device)
    own = normed[each, rows][:, None]  # [M, 1, D]
    (query,) = block.qkv(own, 0, 1)
    key, value = block.qkv(normed, 1, 3)
    if mask is not None and mask.shape[2] > 1:
        mask = mask.expand(len(x), -1, -1, -1)[each, :, rows][:, :, None]  # [M, 1, 1, T]
    attended = block.output(block.mix(query, key, value, mask), own)
    return block.finish(x[each, rows][:, None], own, attended)[:, 0]
