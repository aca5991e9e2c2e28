"""open_clip's residual blocks, which its image and text towers share."""

from typing import Any

import torch
from jaxtyping import Float
from open_clip.transformer import Attention, CustomResidualAttentionBlock, ResidualAttentionBlock
from torch import Tensor, nn
from torch.nn import functional as F

from plp.towers.attention import by_head, project_packed
from plp.towers.block import Block
from plp.towers.parts import Matrix, require_plain


class OpenCLIPBlock(Block):
    """Reader of open_clip's two residual blocks: CLIP's, and the one with further norms.

    Args:
        block: The block.

    Raises:
        ConfigError: if its attention was wrapped, for the wrapper would be skipped.
    """

    def __init__(self, block: ResidualAttentionBlock | CustomResidualAttentionBlock) -> None:
        self.block = block
        self.attention: Any = require_plain(block.attn, nn.MultiheadAttention, Attention)
        self.heads = block.attn.num_heads

    def normed(self, x: Float[Tensor, "*batch W"]) -> Float[Tensor, "*batch W"]:
        """Apply the norm in front of the attention."""
        return self.block.ln_1(x)

    def project(
        self, normed: Float[Tensor, "*batch W"], first: int, last: int
    ) -> list[Float[Tensor, "*batch V"]]:
        """Apply parts of the packed projection."""
        packed = project_packed(self.attention, normed, first, last)
        return list(packed.chunk(last - first, dim=-1))

    def qkv_together(
        self, normed: Float[Tensor, "*batch W"], first: int, last: int
    ) -> Float[Tensor, "*batch X"]:
        """Apply parts of the packed projection, and leave them side by side."""
        if self.updates:
            return super().qkv_together(normed, first, last)
        return project_packed(self.attention, normed, first, last)

    def packed(self) -> Matrix:
        """Return the packed projection."""
        return Matrix(self.attention, "in_proj_weight", "in_proj_bias")

    def compared(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Norm queries and keys, or scale their cosines, where the block does."""
        attention = self.attention
        if not isinstance(attention, Attention):
            return query, key
        q, k = (by_head(part, self.heads) for part in (query, key))
        if attention.logit_scale is None:
            return attention.ln_q(q), attention.ln_k(k)
        scale = torch.clamp(attention.logit_scale, max=attention.logit_scale_max).exp()
        return F.normalize(q, dim=-1) * scale * q.shape[-1] ** 0.5, F.normalize(k, dim=-1)

    def output(
        self, mixed: Float[Tensor, "*batch V"], normed: Float[Tensor, "*batch W"]
    ) -> Float[Tensor, "*batch W"]:
        """Project heads back, then scale."""
        attention = self.attention
        if not isinstance(attention, Attention):
            return self.block.ls_1(attention.out_proj(mixed))
        if attention.head_scale is not None:
            split = mixed.unflatten(-1, (self.heads, -1))
            mixed = (split * attention.head_scale[:, 0]).flatten(-2)
        mixed = self.block.ln_attn(attention.out_proj(attention.ln_inner(mixed)))
        return self.block.ls_1(mixed)

    def mlp_normed(self, x: Float[Tensor, "*batch W"]) -> Float[Tensor, "*batch W"]:
        """Apply the norm in front of the MLP."""
        return self.block.ln_2(x)

    def mlp(self, normed: Float[Tensor, "*batch W"]) -> Float[Tensor, "*batch W"]:
        """Apply the MLP, then scale."""
        return self.block.ls_2(self.block.mlp(normed))
