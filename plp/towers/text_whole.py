"""open_clip's text transformer where cutting at the end token would change the feature."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from plp.towers.block import Block
from plp.towers.half_copy import HalfCopy
from plp.towers.openclip_vit import OpenCLIPBlock
from plp.towers.text import TextTower
from plp.towers.tokens import Tokens
from plp.upload import upload


class WholeText(TextTower):
    """Reads a text tower with its padding, masks and pooling as open_clip has them.

    - Without causal attention and without a mask every padded place counts (SigLIP, CLIPA,
      MobileCLIP2): all texts are filled up to the context length, and nothing can be cut.
    - With a mask of the padding, texts are cut at the longest.
    - CoCa appends a class token, at the last position whatever the text's length. In its published
      weights (`correct_cls_mask` off) the mask is shifted by one: the class token sees the first
      padded place, and does not see itself unless the text fills the context.

    The last block computes only the token that the feature is read from.

    Args:
        tower: The module that holds embeddings, blocks and projection.
        tokens: Its tokenizer.
        context_length: Most tokens of a text.
        pool: open_clip's name of the place that the feature is read from.
    """

    def __init__(self, tower: Any, tokens: Tokens, context_length: int, pool: str) -> None:
        self.tower = tower
        self.tokens = tokens
        self.context_length = context_length
        self.width = tower.token_embedding.embedding_dim
        self.vocabulary = tower.token_embedding.num_embeddings
        self._half = HalfCopy()
        self._pool = pool
        self._causal = getattr(tower, "attn_mask", None) is not None
        self._masked = bool(getattr(tower, "use_pad_mask", False))
        self._class_token: nn.Parameter | None = getattr(tower, "cls_emb", None)

    def embed(self, ids: Int[Tensor, " S"]) -> Float[Tensor, "S D"]:
        """Look token embeddings up."""
        return self.tower.token_embedding(ids).detach()

    def encode(
        self, embeddings: Float[Tensor, "C N L D"], end: Int[Tensor, "C N"], shared: int = 0
    ) -> Float[Tensor, "C N E"]:
        """Encode texts; a shared beginning is computed for each, for all tokens see all others."""
        ends = end.flatten()
        x = self._filled(embeddings.flatten(0, 1), ends)  # [M, T, D]
        length = x.shape[1]
        x = x + self.tower.positional_embedding[:length].to(x.dtype)
        if self._class_token is not None:
            last = (self._class_token + self.tower.positional_embedding[-1]).to(x.dtype)
            x = torch.cat([x, last.expand(len(x), 1, -1)], dim=1)
        mask = self._mask(ends, length)
        mask = None if mask is None else upload(mask, x.device)
        network: Any = self._half.of(self.tower.transformer, x.device)
        blocks = [OpenCLIPBlock(block) for block in network.resblocks]
        rows = upload(self._read_from(ends, length), x.device)
        x = self.tower.ln_final(_run(blocks, x, mask, rows))  # [M, D]
        return _projected(self.tower.text_projection, x).unflatten(0, end.shape)

    def _filled(self, x: Float[Tensor, "M L D"], ends: Int[Tensor, " M"]) -> Float[Tensor, "M T D"]:
        """Put padding behind each text, as far as something looks at it."""
        length = int(ends.max()) + 1
        if self._class_token is not None:
            length = min(length + 1, self.context_length)
        elif self._pads_count:
            length = self.context_length
        x = F.pad(x[:, :length], (0, 0, 0, max(length - x.shape[1], 0)))
        real = upload(torch.arange(length) <= ends[:, None], x.device)
        pad = torch.tensor([self.tokens.frame.pad], device=x.device)
        return torch.where(real[..., None], x, self.embed(pad).to(x.dtype))

    @property
    def _pads_count(self) -> bool:
        return self._pool == "last" or not (self._causal or self._masked)

    def _mask(self, ends: Int[Tensor, " M"], length: int) -> Bool[Tensor, "_ 1 _q _k"] | None:
        """Return which token may look at which; None where all may."""
        if self._class_token is not None:
            return self._class_mask(ends, length)
        if self._causal:
            return torch.ones(length, length, dtype=torch.bool).tril()[None, None]
        if self._masked:
            return (torch.arange(length) <= ends[:, None])[:, None, None]
        return None

    def _class_mask(self, ends: Int[Tensor, " M"], length: int) -> Bool[Tensor, "M 1 Q K"]:
        places = length + 1
        mask = torch.ones(places, places, dtype=torch.bool).tril().repeat(len(ends), 1, 1)
        if self.tower.correct_cls_mask:
            seen = torch.arange(length) <= ends[:, None]
            itself = torch.ones(len(ends), 1, dtype=torch.bool)
        else:
            seen = torch.arange(length) <= ends[:, None] + 1
            itself = (ends == self.context_length - 1)[:, None]
        mask[:, -1] = torch.cat([seen, itself], dim=1)
        return mask[:, None]

    def _read_from(self, ends: Int[Tensor, " M"], length: int) -> Int[Tensor, " M"]:
        if self._class_token is not None:
            return torch.full_like(ends, length)
        if self._pool == "last":
            return torch.full_like(ends, length - 1)
        return torch.zeros_like(ends) if self._pool == "first" else ends


def _run(
    blocks: Sequence[Block],
    x: Float[Tensor, "M T D"],
    mask: Bool[Tensor, "..."] | None,
    rows: Int[Tensor, " M"],
) -> Float[Tensor, "M D"]:
    """Run all blocks; the last one for one token of each text."""
    *first, last = blocks
    for block in first:
        normed = block.normed(x)
        query, key, value = block.project(normed, 0, 3)
        x = block.feed_forward(x + block.output(block.mix(query, key, value, mask), normed))
    normed = last.normed(x)
    each = torch.arange(len(x), device=x.device)
    own = normed[each, rows][:, None]  # [M, 1, D]
    (query,) = last.project(own, 0, 1)
    key, value = last.project(normed, 1, 3)
    if mask is not None and mask.shape[2] > 1:
        mask = mask.expand(len(x), -1, -1, -1)[each, :, rows][:, :, None]  # [M, 1, 1, T]
    added = last.output(last.mix(query, key, value, mask), own)
    return last.feed_forward(x[each, rows][:, None] + added)[:, 0]


def _projected(projection: Any, x: Float[Tensor, "M D"]) -> Float[Tensor, "M E"]:
    if projection is None:
        return x
    return projection(x) if isinstance(projection, nn.Linear) else x @ projection
