"""Pooled feature and dense streams of a transformer tower, in one pass."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from plp.structures import ImageFeatures
from plp.towers.block import Block
from plp.towers.image import ImageTower
from plp.towers.vision import VisionTower


class TransformerStreams(VisionTower):
    r"""Reads a transformer tower once and yields its pooled feature and dense streams.

    With x_l the input of block l, n what its attention reads (`Block.normed`), v the values of n,
    and o what follows the attention (`Block.output`):

    - `vv` (SOT-GLP): s_{l+1} = s_l + o(softmax(v v^T / sqrt(d)) v), all tokens among the keys; no
      MLP. s_0 = x_0, or x_0 + (ordinary attention output of block 0) with `alias_first_block`. The
      stream never feeds back, so that it costs one attention and one output projection a block.
    - `value` (GalLoP, LoCoOp): in the last block, r = x + o(v), then r + MLP(r).
    - `tokens`: the patches of the last block's ordinary output.

    All end as `ImageTower.finish` says, without class and register tokens. Each block's norm and
    q, k, v are computed once; the last block runs its queries and MLP only for the tokens that the
    pooled feature is read from, unless `tokens` is wanted.

    Args:
        tower: The tower.
        alias_first_block: Start of the `vv` stream. The published SOT-GLP code adds the ordinary
            attention output of the first block in place to a tensor that its local stream shares.
            True reproduces that; False is the paper.
    """

    streams = ("vv", "value", "tokens")

    def __init__(self, tower: ImageTower, alias_first_block: bool) -> None:
        self.tower = tower
        self.alias_first_block = alias_first_block
        self.dense_dim = tower.width
        self.refusals = {}

    def encode(self, images: Float[Tensor, "B 3 H X"], streams: Sequence[str]) -> ImageFeatures:
        """Encode images of the tower's own size."""
        tower, prefix = self.tower, self.tower.prefix
        x = tower.first_norm(tower.embed(images))
        dense = {"vv": x[:, prefix:]} if "vv" in streams else {}
        blocks = tower.blocks(x.device)
        for index, block in enumerate(blocks):
            last = index == len(blocks) - 1
            rows = x.shape[1]
            if last and tower.pooled_rows is not None and "tokens" not in streams:
                rows = tower.pooled_rows
            normed = block.normed(x)
            attended, value = _attention(block, normed, rows)
            if "vv" in streams:
                mixed = block.mix_values(value[:, prefix:], value)
                dense["vv"] = dense["vv"] + block.output(mixed, normed[:, prefix:])
                if index == 0 and self.alias_first_block:
                    dense["vv"] = dense["vv"] + attended[:, prefix:]
            if last and "value" in streams:
                added = block.output(value[:, prefix:], normed[:, prefix:])
                dense["value"] = block.feed_forward(x[:, prefix:] + added)
            x = block.finish(x[:, :rows], normed[:, :rows], attended)
        if "tokens" in streams:
            dense["tokens"] = x[:, prefix:]
        pooled = tower.pool(x)
        dense = {name: tower.finish(dense[name]) for name in streams}
        return ImageFeatures(pooled, dense, tower.grid)

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Send patches the way of the pooled feature."""
        return self.tower.project(dense)


def _attention(
    block: Block, normed: Float[Tensor, "B L W"], rows: int
) -> tuple[Float[Tensor, "B R W"], Float[Tensor, "B L V"]]:
    """Return the attention output of the first `rows` tokens, and the values of all."""
    if rows == normed.shape[1]:
        query, key, value = block.qkv(normed, 0, 3)
    else:
        (query,) = block.qkv(normed[:, :rows], 0, 1)
        key, value = block.qkv(normed, 1, 3)
    return block.output(block.mix(query, key, value), normed[:, :rows]), value
