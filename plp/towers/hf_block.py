"""Residual blocks of transformers' CLIP-like towers, which image and text towers share."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from plp.towers.block import Block


class HFBlock(Block):
    """Reader of the encoder layer of CLIP, SigLIP and their kin in the transformers library.

    Args:
        block: The layer.
    """

    def __init__(self, block: Any) -> None:
        self.block = block
        self.attention = block.self_attn
        self.heads = int(block.self_attn.num_heads)

    def normed(self, x: Float[Tensor, "*batch W"]) -> Float[Tensor, "*batch W"]:
        """Apply the norm in front of the attention."""
        return self.block.layer_norm1(x)

    def project(
        self, normed: Float[Tensor, "*batch W"], first: int, last: int
    ) -> list[Float[Tensor, "*batch V"]]:
        """Apply the single projections."""
        attention = self.attention
        singles = (attention.q_proj, attention.k_proj, attention.v_proj)
        return [single(normed) for single in singles[first:last]]

    def output(
        self, mixed: Float[Tensor, "*batch V"], normed: Float[Tensor, "*batch W"]
    ) -> Float[Tensor, "*batch W"]:
        """Project heads back."""
        return self.attention.out_proj(mixed)

    def mlp_normed(self, x: Float[Tensor, "*batch W"]) -> Float[Tensor, "*batch W"]:
        """Apply the norm in front of the MLP."""
        return self.block.layer_norm2(x)

    def mlp(self, normed: Float[Tensor, "*batch W"]) -> Float[Tensor, "*batch W"]:
        """Apply the MLP."""
        return self.block.mlp(normed)
