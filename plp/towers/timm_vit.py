"""timm's vision transformers: plain ones, EVA and Perception Encoder, relative positions."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from timm.layers import AttentionPoolLatent
from timm.models.deit import VisionTransformerDistilled
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_relpos import VisionTransformerRelPos
from torch import Tensor, nn

from plp.towers.block import Block
from plp.towers.half_copy import HalfCopy
from plp.towers.image import ImageTower
from plp.towers.timm_block import TimmBlock, strange_parts

_TRUNKS = (VisionTransformer, Eva, VisionTransformerRelPos)


class TimmViT(ImageTower):
    """Reader of timm's transformers, on their own or as the trunk of an open_clip model.

    Args:
        trunk: The timm model.
        head: What follows it (open_clip's projection); None for nothing.
    """

    roots = ("trunk", "head")

    def __init__(self, trunk: Any, head: nn.Module | None = None) -> None:
        self.trunk = trunk
        self.head: Any = head if head is not None else nn.Identity()
        self._half = HalfCopy()
        self.width = int(self.trunk.embed_dim)
        self.prefix = int(self.trunk.num_prefix_tokens)
        by_class = self._pooler is None and self.trunk.global_pool == "token"
        tokens = 2 if isinstance(trunk, VisionTransformerDistilled) else 1  # their mean, there
        self.pooled_rows = tokens if by_class else None
        self.grid = tuple(self.trunk.patch_embed.grid_size)

    def embed(self, images: Float[Tensor, "B 3 H X"]) -> Float[Tensor, "B L W"]:
        """Patches behind class and register tokens, positions added where they are absolute."""
        trunk = self.trunk
        x = trunk.patch_embed(images)
        if isinstance(trunk, VisionTransformerRelPos):
            if trunk.cls_token is None:
                return x
            return torch.cat([trunk.cls_token.expand(len(x), -1, -1), x], dim=1)
        x = trunk._pos_embed(x)
        return x[0] if isinstance(trunk, Eva) else x

    def first_norm(self, tokens: Float[Tensor, "B L W"]) -> Float[Tensor, "B L W"]:
        """Apply the norm in front of the first block, where there is one."""
        norm = getattr(self.trunk, "norm_pre", None)
        return tokens if norm is None else norm(tokens)

    def blocks(self, device: torch.device) -> Sequence[Block]:
        """Return a reader of each block, with the positions that act inside it."""
        network: Any = self._half.of(self.trunk, device)
        bias = getattr(network, "shared_rel_pos", None)
        shared = None if bias is None else bias.get_bias()
        return [
            TimmBlock(block, rope, shared, self.prefix)
            for block, rope in zip(network.blocks, self._rotations(network), strict=True)
        ]

    def finish(self, tokens: Float[Tensor, "B P W"]) -> Float[Tensor, "B P W"]:
        """Apply the final norm."""
        return self.trunk.norm(tokens)

    def pool(self, tokens: Float[Tensor, "B L W"]) -> Float[Tensor, "B E"]:
        """Pool as the trunk's own `forward_head` does."""
        return self.head(self.trunk.forward_head(self.trunk.norm(tokens)))

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Send finished patches through the pooler, as its only key, norm and heads."""
        trunk = self.trunk
        if self._pooler is not None:
            dense = _of_one_key(self._pooler, dense)
        return self.head(trunk.head(trunk.head_drop(trunk.fc_norm(dense))))

    @property
    def _pooler(self) -> AttentionPoolLatent | None:
        return getattr(self.trunk, "attn_pool", None)

    def _rotations(self, network: Any) -> Sequence[Tensor | None]:
        """Return each block's rotary embedding."""
        rope = getattr(network, "rope", None)
        if rope is None:
            return [None] * len(network.blocks)
        fixed = hasattr(rope, "feat_shape") and not network.dynamic_img_size
        embedding = rope.get_embed() if fixed else rope.get_embed(shape=self.grid)
        if getattr(network, "rope_mixed", False):  # one per block
            return list(embedding)
        return [embedding] * len(network.blocks)


def why_not_read(trunk: nn.Module) -> str | None:
    """Return why a timm model is no transformer that `TimmViT` reads; None if it is one."""
    if not isinstance(trunk, _TRUNKS):
        return f"timm's {type(trunk).__name__} is no plain vision transformer"
    if strange := strange_parts(trunk.blocks):
        names = ", ".join(strange)
        return f"its blocks are made of {names}, whose attention is not one of q, k, v"
    pooler = getattr(trunk, "attn_pool", None)
    if pooler is not None and not isinstance(pooler, AttentionPoolLatent):
        return f"its pooling, {type(pooler).__name__}, has no value of a single patch"
    return None


def _of_one_key(pooler: AttentionPoolLatent, dense: Float[Tensor, "B P W"]) -> Tensor:
    """Return what an attention pool makes of each patch alone."""
    x = pooler.proj(pooler.kv(dense).chunk(2, dim=-1)[1])
    return x if pooler.mlp is None else x + pooler.mlp(pooler.norm(x))
