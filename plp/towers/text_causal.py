"""A causal text tower that is read at the end token: cut and packed."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from plp.towers.block import Block
from plp.towers.packing import Packing, pack
from plp.towers.rows import Move, Rows
from plp.towers.text_blocks import TextBlocks
from plp.towers.text_layout import TextLayout
from plp.towers.text_run import BlockText
from plp.upload import upload


class _Texts(NamedTuple):
    """The packing on the CPU, where layouts are computed, and on the device of the tokens."""

    here: Packing
    there: Packing


class CausalText(BlockText):
    """Reads a text tower in which cutting is exact.

    With causal attention what follows the end token cannot reach it, so that no padding is
    computed; and a beginning that texts share is the same in all of them. In the last block nothing
    is computed but the end tokens that the texts are read at.

    Args:
        text: The tower's description.
        tokens: Its tokenizer.
        context_length: Most tokens of a text.
    """

    def _start(
        self,
        tower: TextBlocks,
        embeddings: Float[Tensor, "C N L D"],
        layout: TextLayout,
        places: _Texts,
    ) -> Float[Tensor, "U D"]:
        positions = tower.positions(layout.length).to(embeddings.dtype)
        return places.there.collect((embeddings + positions).flatten(0, 1))

    def _places(
        self, tower: TextBlocks, layout: TextLayout, rows: Rows, device: torch.device
    ) -> _Texts:
        here = pack(*layout)
        return _Texts(here, here.to(device))

    def _moved(
        self, x: Float[Tensor, "U D"], places: _Texts, layout: TextLayout, move: Move
    ) -> Float[Tensor, "R D"]:
        """Gather the tokens of the new packing from those of the old one and the new tokens."""
        after = layout.after(move)
        kept = pack(*after).kept
        texts, row = kept // after.length, kept % after.length
        index = row.where(row < move.row, row - move.change)
        found = places.here.places[texts, index.clamp(0, layout.length - 1)]
        tokens = layout.tokens(move, x.shape[-1])
        if tokens is not None:
            count = tokens.shape[-2]
            new = row - move.row
            which = new if tokens.ndim == 2 else texts * count + new
            found = torch.where((new >= 0) & (new < count), len(x) + which, found)
            x = torch.cat([x, tokens.flatten(0, -2).to(x.dtype)])
        # An embedding, because its gradient adds up in one order on every device.
        return F.embedding(upload(found, x.device), x)

    def _block(self, block: Block, x: Float[Tensor, "U D"], places: _Texts) -> Float[Tensor, "U D"]:
        texts, normed = places.there, block.normed(x)
        query, key, value = texts.spread(block.qkv_together(normed, 0, 3)).chunk(3, dim=-1)
        mixed = texts.collect(block.mix(query, key, value, causal=True))
        return block.finish(x, normed, block.output(mixed, normed))

    def _last_block(
        self, block: Block, x: Float[Tensor, "U D"], places: _Texts
    ) -> Float[Tensor, "M D"]:
        """Compute the end tokens alone; they attend to the whole of their texts."""
        texts, normed = places.there, block.normed(x)
        own = normed.index_select(0, texts.ends)
        (query,) = block.qkv(own, 0, 1)
        key, value = texts.spread(block.qkv_together(normed, 1, 3)).chunk(2, dim=-1)
        seen = texts.real[:, None, None]  # [M, 1, 1, L]
        mixed = block.mix(query[:, None], key, value, seen)[:, 0]
        return block.finish(x.index_select(0, texts.ends), own, block.output(mixed, own))
