"""Several sets of image prompts, each in a pass of its own (PLOT++)."""

from typing import final

import torch
from torch import nn

from plp.backbones.base import Backbone
from plp.checks import check_integer, check_number
from plp.registry import TUNERS
from plp.towers.points import ExtraTokens, TowerPoints
from plp.tuners.base import Tuner
from plp.tuners.contexts import token_width


@final
@TUNERS.register_module()
class ImagePromptSets(Tuner):
    """M sets of learned tokens; each image goes through its tower once with each of them.

    The tokens of a set stand beside the patches from block 0 on, go through the tower's first norm
    where it has one, have no position and are not replaced later. What branches see is the feature
    of every pass (`ImageFeatures.passes`, [B, M, E]; None for one set) and their mean
    (`ImageFeatures.pooled`).

    The passes share what lies in front of the first block: patches and positions are made once.

    Args:
        num_sets: M.
        num_tokens: Tokens per set; published 2.
        std: Standard deviation of the normal distribution they start from; published 0.02.
        backbone: Supplied when a learner is built.

    Attributes:
        context: [M, T, W].

    Raises:
        ConfigError: for a tower that takes no tokens.
    """

    acts_on_images = True

    def __init__(
        self, num_sets: int = 4, num_tokens: int = 2, std: float = 0.02, *, backbone: Backbone
    ) -> None:
        super().__init__()
        check_integer("num_sets", num_sets)
        check_integer("num_tokens", num_tokens)
        check_number("std", std)
        width = token_width(backbone, "image")
        self.context = nn.Parameter(torch.empty(num_sets, num_tokens, width))
        nn.init.normal_(self.context, std=std)
        self.image_passes = num_sets

    def image_points_of(self, number: int) -> TowerPoints:
        """Return what acts on one of the passes."""
        tokens = ExtraTokens({0: self.context[number]}, before_first_norm=True)
        return TowerPoints(extra={"prompts": tokens})

    def image_points(self) -> TowerPoints:
        """Return what acts on the first pass."""
        return self.image_points_of(0)

    def extra_repr(self) -> str:
        """Show the sizes in the printed module."""
        sets, tokens, _ = self.context.shape
        return f"num_sets={sets}, num_tokens={tokens}"
