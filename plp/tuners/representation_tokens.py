"""Tokens of one learned space in both towers (MMRL)."""

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from plp.backbones.base import Backbone
from plp.checks import check_integer
from plp.registry import TUNERS
from plp.towers.points import ExtraTokens, TowerPoints
from plp.tuners._blocks import SIDES, Side, block_pairs, block_tower
from plp.tuners.base import TextContext, Tuner


@final
@TUNERS.register_module()
class RepresentationTokens(Tuner):
    """K tokens put into both towers, each block's a linear map of the same K learned vectors.

    Guo and Gu 2025, MMRL: Multi-Modal Representation Learning, equations 5 to 10. Before the first
    block chosen they come in, behind class and register tokens of images and behind the start token
    of texts, whose end moves with them; before each later one they are replaced; before other
    blocks they stay as they are. They get no position. Their last states in the image tower are in
    `ImageFeatures.extra` as `<tuner>.tokens`: what a `TokenBranch` compares with texts.

    Args:
        backbone: The frozen model; supplied when a learner is built, not kept.
        blocks: Blocks that the tokens stand before, from 0, the same in both towers; or
            `dict(image=[...], text=[...])` of equal lengths. Published: 5 to 11. Empty: nothing
            acts.
        num_tokens: K, published 5.
        width: R, width of the vectors they are made of, published 512 (EuroSAT 2048).

    Attributes:
        tokens: The learned vectors, [K, R], at the start N(0, 0.02^2).
        to_image_weight: The maps, [D, W, R], with `to_image_bias` [D, W], `to_text_weight` and
            `to_text_bias`. They start as torch's Linear does, all of one tower as copies of one.

    Raises:
        ConfigError: for blocks that a tower does not have.
    """

    def __init__(
        self,
        backbone: Backbone,
        blocks: Sequence[int] | Mapping[str, Sequence[int]],
        num_tokens: int = 5,
        width: int = 512,
    ) -> None:
        super().__init__()
        check_integer("num_tokens", num_tokens)
        check_integer("width", width)
        self.blocks = block_pairs(backbone, blocks)
        self.acts_on_images = self.acts_on_texts = len(self.blocks.image) > 0
        self.tokens = nn.Parameter(0.02 * torch.randn(num_tokens, width))
        for side in SIDES:
            self._add(side, nn.Linear(width, block_tower(backbone, side).width))

    def image_points(self) -> TowerPoints:
        """Return the tokens, whose last states are read."""
        return self._points("image", read=True)

    def text_points(self, texts: TextContext) -> TowerPoints:
        """Return the tokens, the same in all texts."""
        return self._points("text")

    @property
    def places(self) -> dict[str, list[str]]:
        """Names of the blocks by tower."""
        return self.blocks.places

    def _add(self, side: Side, first: nn.Linear) -> None:
        """Add the maps into a tower, all as copies of one."""
        pairs = len(self.blocks.image)
        for part, start in (("weight", first.weight), ("bias", first.bias)):
            copies = start.detach().expand(pairs, *start.shape).clone()
            self.register_parameter(f"to_{side}_{part}", nn.Parameter(copies))

    def _points(self, side: Side, read: bool = False) -> TowerPoints:
        chosen = self.blocks.image if side == "image" else self.blocks.text
        if not chosen:
            return TowerPoints()
        weight: Tensor = getattr(self, f"to_{side}_weight")
        bias: Tensor = getattr(self, f"to_{side}_bias")
        mapped = torch.einsum("kr,dwr->dkw", self.tokens, weight) + bias[:, None]
        before = dict(zip(chosen, mapped.unbind(), strict=True))
        return TowerPoints(extra={"tokens": ExtraTokens(before, read=read)})

    def extra_repr(self) -> str:
        """Show blocks, number and width of the tokens in the printed module."""
        tokens, width = self.tokens.shape
        return f"{self.blocks.described()}, num_tokens={tokens}, width={width}"
