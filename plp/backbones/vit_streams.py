"""One pass over open_clip's vision transformer that yields pooled and dense features."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import Tensor

from plp.backbones._attention import attend, project_in
from plp.backbones._half_copy import HalfCopy
from plp.backbones.vision_tower import VisionTower
from plp.structures import ImageFeatures


class ViTTower(VisionTower):
    r"""Pooled feature and dense streams of a vision transformer with a class token.

    With x_l the input of block l, n = LN_1(x_l), and o the output projection of its attention:

    - `vv` (SOT-GLP): s_{l+1} = s_l + o(softmax(v v^T / sqrt(d)) v), v = values of n, class token
      among the keys; no MLP. s_0 = x_0, or x_0 + (ordinary attention output of block 0) with
      `alias_first_block`. The stream never feeds back, so that it costs one attention and one
      output projection a block.
    - `value` (GalLoP, LoCoOp): in the last block, r = x + o(v), then r + MLP(LN_2(r)).
    - `tokens`: the patches of the last block's ordinary output.

    All end in the final layer norm, without the class token. Each block's norm and q, k, v are
    computed once; the last block runs its attention queries and MLP for the class token alone
    unless `tokens` is wanted.

    Args:
        visual: open_clip's tower; `why_no_streams` says whether it fits.
        alias_first_block: Start of the `vv` stream. The published SOT-GLP code adds the ordinary
            attention output of the first block in place to a tensor that its local stream shares.
            True reproduces that; False is the paper.
    """

    streams = ("vv", "value", "tokens")

    def __init__(self, visual: VisionTransformer, alias_first_block: bool) -> None:
        self.visual = visual
        self.alias_first_block = alias_first_block
        self._half = HalfCopy()
        self.dense_dim = visual.conv1.out_channels
        self.refusals = {}

    def encode(self, images: Float[Tensor, "B 3 H X"], streams: Sequence[str]) -> ImageFeatures:
        """Encode images of the tower's own size."""
        x = self._embed(images)
        dense = {"vv": x[:, 1:]} if "vv" in streams else {}
        blocks: Any = self._half.of(self.visual.transformer, x.device).resblocks
        for index, block in enumerate(blocks):
            last = index == len(blocks) - 1
            rows = 1 if last and "tokens" not in streams else x.shape[1]
            attended, value = _attention(block, x, rows)
            if "vv" in streams:
                dense["vv"] = dense["vv"] + _v_v_attention(block, value)
                if index == 0 and self.alias_first_block:
                    dense["vv"] = dense["vv"] + attended[:, 1:]
            if last and "value" in streams:
                dense["value"] = _mlp(block, x[:, 1:] + _output(block, value[:, 1:]))
            x = _mlp(block, x[:, :rows] + attended)
        if "tokens" in streams:
            dense["tokens"] = x[:, 1:]
        pooled = self.project(self.visual.ln_post(x[:, :1]))[:, 0]
        dense = {name: self.visual.ln_post(dense[name]) for name in streams}
        return ImageFeatures(pooled, dense, tuple(self.visual.grid_size))

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Apply the joint projection that the class token goes through."""
        return dense if self.visual.proj is None else dense @ self.visual.proj

    def _embed(self, images: Float[Tensor, "B 3 H X"]) -> Float[Tensor, "B L W"]:
        visual = self.visual
        patches = visual.conv1(images).flatten(2).transpose(1, 2)
        class_token = visual.class_embedding.to(patches.dtype).expand(images.shape[0], 1, -1)
        x = torch.cat([class_token, patches], dim=1)
        return visual.ln_pre(x + visual.positional_embedding.to(x.dtype))


def why_no_streams(visual: VisionTransformer) -> str | None:
    """Return why the dense streams are not defined for a transformer tower; None if they are."""
    blocks = {type(block) for block in visual.transformer.resblocks}
    if getattr(visual, "attn_pool", None) is not None:
        return "its pooled feature comes from an attentional pooler, not from a class token"
    if visual.pool_type != "tok":
        return f"its pooled feature is not a class token (pool_type {visual.pool_type!r})"
    if getattr(visual, "final_ln_after_pool", False):
        return "its final layer norm is made for the pooled feature, not for patches"
    if blocks != {ResidualAttentionBlock}:
        names = ", ".join(sorted(block.__name__ for block in blocks))
        return f"its blocks are of type {names}, whose attention is not a plain q, k, v one"
    return None


def _attention(
    block: ResidualAttentionBlock, x: Float[Tensor, "B L W"], rows: int
) -> tuple[Float[Tensor, "B R W"], Float[Tensor, "B L W"]]:
    """Return the attention output of the first `rows` tokens, and the values of all."""
    normed = block.ln_1(x)
    if rows == x.shape[1]:
        query, key, value = project_in(block.attn, normed, 0, 3)
    else:
        (query,) = project_in(block.attn, normed[:, :rows], 0, 1)
        key, value = project_in(block.attn, normed, 1, 3)
    return _output(block, attend(query, key, value, block.attn.num_heads)), value


def _v_v_attention(
    block: ResidualAttentionBlock, value: Float[Tensor, "B L W"]
) -> Float[Tensor, "B P W"]:
    return _output(block, attend(value[:, 1:], value, value, block.attn.num_heads))


def _output(block: ResidualAttentionBlock, mixed: Float[Tensor, "B L W"]) -> Float[Tensor, "B L W"]:
    return block.ls_1(block.attn.out_proj(mixed))


def _mlp(block: ResidualAttentionBlock, x: Float[Tensor, "B L W"]) -> Float[Tensor, "B L W"]:
    return x + block.ls_2(block.mlp(block.ln_2(x)))
