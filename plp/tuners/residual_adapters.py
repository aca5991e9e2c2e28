"""Small adapters beside the blocks of both towers, joined by a matrix they share (MMA)."""

from collections.abc import Mapping, Sequence
from typing import Any, cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from plp.backbones.base import Backbone
from plp.checks import check_integer, check_number
from plp.errors import ConfigError
from plp.registry import TUNERS
from plp.towers.points import TowerPoints
from plp.tuners._blocks import SIDES, Side, block_pairs, block_tower
from plp.tuners.base import TextContext, Tuner


@final
@TUNERS.register_module()
class ResidualAdapters(Tuner):
    r"""`s (U relu(S relu(D n + d) + e) + u)` beside a block, with S and e shared by both towers.

    Yang et al. 2024, MMA: Multi-Modal Adapter, equations 5 and 6. n is what the block's first norm
    makes of its input; the sum is added to the block's output, for all tokens.

    Args:
        backbone: The frozen model; supplied when a learner is built, not kept.
        blocks: Blocks with an adapter, from 0, the same in both towers; or
            `dict(image=[...], text=[...])` of equal lengths, whose i-th blocks share a matrix.
            Published: 4 to 11. Empty: nothing acts.
        width: R, the adapters' inner width.
        scale: s.
        divide_gradients_by_scale: Give the adapters' parameters the true gradient divided by s, as
            the published code does (it multiplies by 1/s behind the adapter on the way back, and by
            s where the path re-enters the tower). With s = 0.001 that is 1000 times the learning
            rate, but not 1000 times the weight decay. What flows on into the tower is the true one.

    Attributes:
        shared_weight: S of each pair of blocks, [D, R, R]; `shared_bias` e, [D, R].
        text_down_weight: D of the text tower's blocks, [D, R, W]; with `_bias`, `text_up_...` and
            the same of `image_...`.

    Raises:
        ConfigError: for blocks that a tower does not have.
    """

    shared_weight: Tensor
    shared_bias: Tensor

    def __init__(
        self,
        backbone: Backbone,
        blocks: Sequence[int] | Mapping[str, Sequence[int]],
        width: int = 32,
        scale: float = 0.001,
        divide_gradients_by_scale: bool = False,
    ) -> None:
        super().__init__()
        check_integer("width", width)
        check_number("scale", scale)
        if divide_gradients_by_scale and scale == 0:
            raise ConfigError("divide_gradients_by_scale=True needs a scale other than 0")
        self.blocks = block_pairs(backbone, blocks)
        self.scale = scale
        self.divide_gradients_by_scale = divide_gradients_by_scale
        self.acts_on_images = self.acts_on_texts = len(self.blocks.image) > 0
        self._add("shared", width, width)
        for side in SIDES:
            tokens = block_tower(backbone, side).width
            self._add(f"{side}_down", width, tokens)
            self._add(f"{side}_up", tokens, width)

    def image_points(self) -> TowerPoints:
        """Return an adapter beside each block chosen."""
        return self._points("image")

    def text_points(self, texts: TextContext) -> TowerPoints:
        """Return an adapter beside each block chosen."""
        return self._points("text")

    @property
    def places(self) -> dict[str, list[str]]:
        """Names of the blocks by tower."""
        return self.blocks.places

    def _add(self, name: str, rows: int, columns: int) -> None:
        """Add a matrix and a bias for each pair: Kaiming-normal of the rows, and zero."""
        pairs = len(self.blocks.image)
        weight = torch.randn(pairs, rows, columns) * (2 / rows) ** 0.5
        self.register_parameter(f"{name}_weight", nn.Parameter(weight))
        self.register_parameter(f"{name}_bias", nn.Parameter(torch.zeros(pairs, rows)))

    def _points(self, side: Side) -> TowerPoints:
        chosen = self.blocks.image if side == "image" else self.blocks.text
        parts = [getattr(self, f"{side}_down_{part}") for part in ("weight", "bias")]
        parts += [self.shared_weight, self.shared_bias]
        parts += [getattr(self, f"{side}_up_{part}") for part in ("weight", "bias")]
        residuals = {
            f"blocks.{block}.block": _Adapter([part[pair] for part in parts], self)
            for pair, block in enumerate(chosen)
        }
        return TowerPoints(residuals=residuals)

    def extra_repr(self) -> str:
        """Show blocks, inner width and scale in the printed module."""
        divided = ", gradients divided by it" if self.divide_gradients_by_scale else ""
        return (
            f"{self.blocks.described()}, width={self.shared_weight.shape[-1]}, "
            f"scale={self.scale:g}{divided}"
        )


class _Adapter:
    """One adapter, as a residual of a tower."""

    def __init__(self, parts: Sequence[Tensor], tuner: ResidualAdapters) -> None:
        self.parts, self.scale = parts, tuner.scale
        self.divided = tuner.divide_gradients_by_scale

    def __call__(
        self, x: Float[Tensor, "*batch W"], normed: Float[Tensor, "*batch W"]
    ) -> Float[Tensor, "*batch W"]:
        """Return what is added to the block's output."""
        divided = self.divided and torch.is_grad_enabled()
        inner = _scaled(normed, 1.0, self.scale) if divided else normed
        for depth in range(0, len(self.parts), 2):
            inner = F.relu(inner) if depth else inner
            inner = F.linear(inner, self.parts[depth], self.parts[depth + 1])
        return _scaled(inner, self.scale, 1.0) if divided else inner * self.scale


class _Scaled(torch.autograd.Function):
    """Multiply by one number on the way there and by another on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, there: float, back: float) -> Tensor:
        ctx.back = back
        return x * there

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0] * ctx.back, None, None


def _scaled(x: Tensor, there: float, back: float) -> Tensor:
    return cast(Tensor, _Scaled.apply(x, there, back))  # type: ignore[no-untyped-call]
