"""Pooled feature and dense streams of a transformer tower, in one pass."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from plp.structures import ImageFeatures, ImagePrefix
from plp.towers.image import ImageTower
from plp.towers.image_pass import ImagePass
from plp.towers.points import TowerPoints
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

    What acts on the tower acts on the streams that run through it: extra tokens are among the keys,
    updates and weights hold for all, residuals for `tokens` and `value`. `vv` has no MLP and no
    input of a block, and therefore no residuals.

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

    @property
    def description(self) -> ImageTower:
        """The tower as points name its parts."""
        return self.tower

    def encode(
        self,
        images: Float[Tensor, "B 3 H X"],
        streams: Sequence[str],
        points: TowerPoints | None = None,
    ) -> ImageFeatures:
        """Encode images of the tower's own size."""
        run = ImagePass(self.tower, streams, self.alias_first_block, points)
        return run.read(run.start(images))

    def prefix(
        self,
        images: Float[Tensor, "B 3 H X"],
        block: int,
        streams: Sequence[str] = (),
        points: TowerPoints | None = None,
    ) -> ImagePrefix:
        """Encode images up to a block."""
        run = ImagePass(self.tower, streams, self.alias_first_block, points)
        return run.until(run.start(images), block)

    def resume(
        self, prefix: ImagePrefix, streams: Sequence[str] = (), points: TowerPoints | None = None
    ) -> ImageFeatures:
        """Encode what `prefix` stopped in front of, to the end."""
        run = ImagePass(self.tower, streams, self.alias_first_block, points, prefix.block)
        return run.read(prefix)

    def project(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Send patches the way of the pooled feature."""
        return self.tower.project(dense)
