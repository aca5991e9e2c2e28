"""timm's residual blocks: of plain transformers, EVA and Perception Encoder, relative positions."""

from typing import Any

import torch
from jaxtyping import Float
from timm.layers import apply_rot_embed_cat
from timm.layers.attention import Attention, AttentionRope
from timm.models.eva import EvaAttention, EvaBlock, EvaBlockPostNorm
from timm.models.vision_transformer import Block as ViTBlock
from timm.models.vision_transformer import ResPostBlock
from timm.models.vision_transformer_relpos import RelPosAttention, RelPosBlock, ResPostRelPosBlock
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import is_parametrized

from plp.towers.attention import by_head
from plp.towers.block import Block
from plp.towers.parts import Matrix

_BLOCKS = (ViTBlock, ResPostBlock, EvaBlock, EvaBlockPostNorm, RelPosBlock, ResPostRelPosBlock)
_NORM_LAST = (ResPostBlock, EvaBlockPostNorm, ResPostRelPosBlock)
_ATTENTIONS = (Attention, AttentionRope, EvaAttention, RelPosAttention)


class TimmBlock(Block):
    """Reader of timm's residual blocks whose attention is q, k, v of all tokens.

    Args:
        block: The block.
        rope: Rotary embedding of the patches; None for none.
        bias: Numbers to add to the attention's scores that all blocks share; None for none.
        prefix: Class and register tokens.
    """

    def __init__(self, block: Any, rope: Tensor | None, bias: Tensor | None, prefix: int) -> None:
        self.block = block
        self.attention = block.attn
        self.heads = int(self.attention.num_heads)
        self.rope, self.shared_bias, self.prefix = rope, bias, prefix
        self._norm_last = isinstance(block, _NORM_LAST)

    def normed(self, x: Float[Tensor, "*batch W"]) -> Float[Tensor, "*batch W"]:
        """Apply the norm in front of the attention, where it stands there."""
        return x if self._norm_last else self.block.norm1(x)

    def project(
        self, normed: Float[Tensor, "*batch W"], first: int, last: int
    ) -> list[Float[Tensor, "*batch V"]]:
        """Apply parts of the packed projection, or the single ones."""
        attention = self.attention
        if attention.qkv is None:
            singles = (attention.q_proj, attention.k_proj, attention.v_proj)
            return [self._of_all_heads(single(normed)) for single in singles[first:last]]
        bias = _packed_bias(attention)
        if type(attention.qkv) is not nn.Linear and not is_parametrized(attention.qkv):
            packed = attention.qkv(normed)  # a wrapper: all of it, so that nothing is skipped
            packed = packed if attention.qkv.bias is bias else packed + bias
            return list(packed.chunk(3, dim=-1))[first:last]
        width = attention.qkv.out_features // 3
        rows = slice(first * width, last * width)
        packed = F.linear(normed, attention.qkv.weight[rows], None if bias is None else bias[rows])
        return list(packed.chunk(last - first, dim=-1))

    def packed(self) -> Matrix | None:
        """Return the packed projection, where q, k and v are no modules."""
        if self.attention.qkv is None:
            return None
        own = getattr(self.attention, "q_bias", None) is None  # EVA's bias lies in three parts
        return Matrix(self.attention.qkv, bias="bias" if own else None)

    def compared(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Norm queries and keys, and turn them by their positions, where the block does."""
        attention = self.attention
        q = attention.q_norm(by_head(query, self.heads))
        k = attention.k_norm(by_head(key, self.heads))
        if self.rope is None:
            return q, k
        first = key.shape[1] - self.rope.shape[-2]  # of the patches, which come last
        return self._rotate(q, self.rope, first), self._rotate(k, self.rope, first)

    def bias(self, queries: int, keys: int) -> Float[Tensor, "1 h Q L"] | None:
        """Return relative positions, where the block has them."""
        own = getattr(self.attention, "rel_pos", None)
        bias = self.shared_bias if own is None else own.get_bias()
        if bias is None:
            return None
        extra = keys - bias.shape[-1]
        if extra:  # they have no position
            bias = _with_zeros(_with_zeros(bias, 2, self.prefix, extra), 3, self.prefix, extra)
        return bias[:, :, :queries]

    def output(
        self, mixed: Float[Tensor, "*batch V"], normed: Float[Tensor, "*batch W"]
    ) -> Float[Tensor, "*batch W"]:
        """Norm, gate, output projection, and the block's scale or last norm."""
        attention, block = self.attention, self.block
        mixed = getattr(attention, "norm", _same)(mixed)
        gate = getattr(attention, "gate", None)
        if gate is not None:
            mixed = mixed * gate(normed).sigmoid()
        added = attention.proj(mixed)
        if self._norm_last:
            return block.norm1(added)
        return _scaled(block, "1", added)

    def mlp_normed(self, x: Float[Tensor, "*batch W"]) -> Float[Tensor, "*batch W"]:
        """Apply the norm in front of the MLP, where it stands there."""
        return x if self._norm_last else self.block.norm2(x)

    def mlp(self, normed: Float[Tensor, "*batch W"]) -> Float[Tensor, "*batch W"]:
        """Apply the MLP, and the block's scale or last norm."""
        block = self.block
        if self._norm_last:
            return block.norm2(block.mlp(normed))
        return _scaled(block, "2", block.mlp(normed))

    def _of_all_heads(self, part: Float[Tensor, "*batch U"]) -> Float[Tensor, "*batch V"]:
        """Repeat keys and values that several heads of queries share."""
        groups = self.attention.proj.in_features // part.shape[-1]
        if groups == 1:
            return part
        return (
            part.unflatten(-1, (self.heads // groups, -1)).repeat_interleave(groups, -2).flatten(-2)
        )

    def _rotate(
        self, part: Float[Tensor, "B h R d"], rope: Tensor, first: int
    ) -> Float[Tensor, "B h R d"]:
        """Turn the patches among the first R tokens; what stands before them has no place."""
        if part.shape[2] <= first:
            return part
        half = getattr(self.attention, "rotate_half", False)
        turned = apply_rot_embed_cat(part[:, :, first:], rope, half=half)
        return torch.cat([part[:, :, :first], turned], dim=2).type_as(part)


def strange_parts(blocks: Any) -> list[str]:
    """Return the names of classes among a tower's blocks that `TimmBlock` does not read.

    Args:
        blocks: The blocks of a timm model.
    """
    parts: list[tuple[type, tuple[type, ...]]] = [(type(block), _BLOCKS) for block in blocks]
    parts += [(type(block.attn), _ATTENTIONS) for block in blocks if hasattr(block, "attn")]
    return sorted({kind.__name__ for kind, known in parts if kind not in known})


def _packed_bias(attention: Any) -> Tensor | None:
    """Return the bias of q, k, v; EVA keeps it in three parts, k's being zero."""
    if getattr(attention, "q_bias", None) is not None:
        return torch.cat([attention.q_bias, attention.k_bias, attention.v_bias])
    return attention.qkv.bias


def _scaled(block: Any, number: str, added: Tensor) -> Tensor:
    """Apply the layer scale, which EVA keeps as a parameter and plain blocks as a module."""
    if hasattr(block, f"ls{number}"):
        return getattr(block, f"ls{number}")(added)
    gamma = getattr(block, f"gamma_{number}")
    return added if gamma is None else gamma * added


def _with_zeros(bias: Tensor, axis: int, place: int, count: int) -> Tensor:
    """Return a bias with zeros in between."""
    parts = bias.split([place, bias.shape[axis] - place], dim=axis)
    zeros = torch.zeros_like(bias.narrow(axis, 0, 1)).repeat_interleave(count, axis)
    return torch.cat([parts[0], zeros, parts[1]], dim=axis)


def _same(x: Tensor) -> Tensor:
    return x
