"""open_clip's own vision transformer: class token, mean or attentional pooling."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from open_clip.transformer import AttentionalPooler, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from plp.towers.block import Block
from plp.towers.half_copy import HalfCopy
from plp.towers.image import ImageTower
from plp.towers.openclip_block import OpenCLIPBlock
from plp.towers.parts import Matrix, require_plain


class OpenCLIPViT(ImageTower):
    """Reader of `open_clip.transformer.VisionTransformer`.

    A class token is always there; where the pooled feature is a mean, it is the mean of the patches
    alone. CoCa's attentional pooler looks at all tokens; the first of its queries is the pooled
    feature.

    Args:
        visual: The tower.
    """

    roots = ("visual",)

    def __init__(self, visual: VisionTransformer) -> None:
        self.visual = visual
        self._half = HalfCopy()
        self.width = visual.conv1.out_channels
        self.prefix = 1
        pooled_by_class = visual.attn_pool is None and visual.pool_type == "tok"
        self.pooled_rows = 1 if pooled_by_class else None
        self.grid = tuple(visual.grid_size)

    def embed(self, images: Float[Tensor, "B 3 H X"]) -> Float[Tensor, "B L W"]:
        """Patches behind the class token, positions added."""
        visual = self.visual
        patches = visual.conv1(images).flatten(2).transpose(1, 2)
        class_token = visual.class_embedding.to(patches.dtype).expand(images.shape[0], 1, -1)
        x = torch.cat([class_token, patches], dim=1)
        return x + visual.positional_embedding.to(x.dtype)

    def first_norm(self, tokens: Float[Tensor, "B L W"]) -> Float[Tensor, "B L W"]:
        """Apply the norm in front of the first block."""
        return self.visual.ln_pre(tokens)

    def blocks(self, device: torch.device) -> Sequence[Block]:
        """Return a reader of each residual block."""
        network: Any = self._half.of(self.visual.transformer, device)
        return [OpenCLIPBlock(block) for block in network.resblocks]

    def finish(self, tokens: Float[Tensor, "B P W"]) -> Float[Tensor, "B P W"]:
        """Apply the final norm, unless a pooler of another width stands in front of it."""
        return self.visual.ln_post(tokens) if self.visual.attn_pool is None else tokens

    def pool(self, tokens: Float[Tensor, "B L W"]) -> Float[Tensor, "B E"]:
        """Pool as the tower's own `forward` does."""
        visual = self.visual
        if self.pooled_rows == 1:
            return self._to_joint(visual.ln_post(tokens[:, :1]))[:, 0]
        return self._to_joint(visual._pool(tokens)[0])

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Send finished patches through the pooler, as its only key, and the joint projection."""
        visual = self.visual
        if visual.attn_pool is None:
            return self._to_joint(dense)
        return self._to_joint(visual.ln_post(_of_one_key(visual.attn_pool, dense)))

    def projection(self) -> Matrix | None:
        """Return the joint projection, a bare parameter."""
        there = self.visual.proj is not None
        return Matrix(self.visual, "proj", None, transposed=True) if there else None

    def _to_joint(self, features: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch E"]:
        if self.visual.proj is None:
            return features
        return self.added("projection", features, features @ self.visual.proj)


def _of_one_key(pooler: AttentionalPooler, dense: Float[Tensor, "B P W"]) -> Tensor:
    """Return what a pooler makes of each patch alone: its value, behind the output projection."""
    attention: nn.MultiheadAttention = require_plain(pooler.attn, nn.MultiheadAttention)
    width = attention.embed_dim
    if attention.in_proj_weight is None:  # keys of another width than the queries
        weight = attention.v_proj_weight
    else:
        weight = attention.in_proj_weight[2 * width :]
    bias = None if attention.in_proj_bias is None else attention.in_proj_bias[2 * width :]
    return attention.out_proj(F.linear(pooler.ln_k(dense), weight, bias))
