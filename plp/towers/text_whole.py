"""Text towers in which cutting at the end token would change the feature."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.towers.block import Block
from plp.towers.rows import Move, Rows, moved
from plp.towers.text_blocks import TextBlocks
from plp.towers.text_layout import TextLayout
from plp.towers.text_mask import TextMask
from plp.towers.text_run import BlockText
from plp.towers.tokens import Tokens
from plp.upload import upload


class _Places(NamedTuple):
    """What may look at what, and the row that each text is read at."""

    mask: Bool[Tensor, "_ 1 _q _k"] | None
    rows: Int[Tensor, " M"]


class WholeText(BlockText):
    """Reads a text tower with its padding, masks and pooling as its library has them.

    - Without causal attention and without a mask every padded place counts (SigLIP, CLIPA,
      MobileCLIP2): all texts are filled up to the context length, and nothing can be cut.
    - With a mask of the padding, texts are cut at the longest.
    - A class token behind the text (CoCa) is where the feature is read; see `TextMask`.

    A beginning that texts share is computed for each, for all tokens see all others. The last block
    computes only the token that the feature is read from. Readers of blocks are made anew in every
    pass, for the modules below them may have been replaced since the last.

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
        super().__init__(text, tokens, context_length)
        self.mask = mask
        self._pool = pool

    def _laid_out(self, layout: TextLayout) -> TextLayout:
        """Return the layout of texts that are filled up as far as something looks at them."""
        length = int(layout.end.max()) + 1
        if self._by_class:
            length = min(length + 1, self.context_length)
        elif self._pool == "last" or not (self.mask.causal or self.mask.padding):
            length = self.context_length
        return TextLayout(layout.end, length)

    def _start(
        self,
        tower: TextBlocks,
        embeddings: Float[Tensor, "C N L D"],
        layout: TextLayout,
        places: _Places,
    ) -> Float[Tensor, "M T D"]:
        x, length = embeddings.flatten(0, 1)[:, : layout.length], layout.length
        x = F.pad(x, (0, 0, 0, length - x.shape[1]))
        real = upload(torch.arange(length) <= layout.end.flatten()[:, None], x.device)
        pad = upload(torch.tensor([self.tokens.frame.pad]), x.device)
        x = torch.where(real[..., None], x, tower.embed(pad).to(x.dtype))
        x = x + tower.positions(length).to(x.dtype)
        class_token = tower.class_token()
        if class_token is None:
            return x
        return torch.cat([x, class_token.to(x.dtype).expand(len(x), 1, -1)], dim=1)

    def _places(
        self, tower: TextBlocks, layout: TextLayout, rows: Rows, device: torch.device
    ) -> _Places:
        ends, length = layout.end.flatten(), layout.length
        full = ends - rows.count == self.context_length - 1
        mask = self.mask.of(ends, length, full, self._by_class)
        read = ends
        if self._by_class or self._pool == "last":
            read = torch.full_like(ends, length if self._by_class else length - 1)
        elif self._pool == "first":
            read = torch.full_like(ends, rows.row(0))
        return _Places(None if mask is None else upload(mask, device), upload(read, device))

    @property
    def _by_class(self) -> bool:
        return self.text.class_token() is not None

    def _moved(
        self, x: Float[Tensor, "M T D"], places: _Places, layout: TextLayout, move: Move
    ) -> Float[Tensor, "M R D"]:
        return moved(x, move._replace(tokens=layout.tokens(move, x.shape[-1])))

    def _block(
        self, block: Block, x: Float[Tensor, "M T D"], places: _Places
    ) -> Float[Tensor, "M T D"]:
        normed = block.normed(x)
        query, key, value = block.qkv(normed, 0, 3)
        mixed = block.mix(query, key, value, places.mask)
        return block.finish(x, normed, block.output(mixed, normed))

    def _last_block(
        self, block: Block, x: Float[Tensor, "M T D"], places: _Places
    ) -> Float[Tensor, "M D"]:
        """Compute one token of each text alone; it attends to all that it may look at."""
        mask, rows = places
        normed = block.normed(x)
        each = torch.arange(len(x), device=x.device)
        own = normed[each, rows][:, None]  # [M, 1, D]
        (query,) = block.qkv(own, 0, 1)
        key, value = block.qkv(normed, 1, 3)
        if mask is not None and mask.shape[2] > 1:
            mask = mask.expand(len(x), -1, -1, -1)[each, :, rows][:, :, None]  # [M, 1, 1, T]
        attended = block.output(block.mix(query, key, value, mask), own)
        return block.finish(x[each, rows][:, None], own, attended)[:, 0]
