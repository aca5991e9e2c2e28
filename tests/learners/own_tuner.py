"""A tuner as a user would write one, outside the package: tokens and a low-rank update in both."""

import torch
from torch import nn

from plp.registry import TUNERS
from plp.towers.low_rank import LowRankUpdate
from plp.towers.points import ExtraTokens, TowerPoints
from plp.tuners import Tuner


@TUNERS.register_module(force=True)
class OwnTuner(Tuner):
    """Two tokens before block 1, and an update of the last value matrix, of each tower."""

    acts_on_images = acts_on_texts = True

    def __init__(self, backbone, rank=2, scale=1.0, dropout=0.0):
        super().__init__()
        self.scale, self.dropout = scale, dropout
        self.names, sides = {}, ("image", "text")
        for side in sides:
            matrices = backbone.inside(side).matrices()
            name = [name for name in matrices if name.endswith(".v")][-1]
            self.names[side] = name
            rows, columns = matrices[name].shape
            self.register_parameter(f"{side}_tokens", nn.Parameter(torch.randn(2, columns)))
            self.register_parameter(f"{side}_down", nn.Parameter(torch.randn(rank, columns)))
            self.register_parameter(f"{side}_up", nn.Parameter(torch.randn(rows, rank)))

    def _points(self, side):
        down, up = getattr(self, f"{side}_down"), getattr(self, f"{side}_up")
        dropout = self.dropout if self.training else 0.0
        update = LowRankUpdate(down, up, self.scale, dropout)
        tokens = ExtraTokens({1: getattr(self, f"{side}_tokens")})
        return TowerPoints(extra={"tokens": tokens}, updates={self.names[side]: update})

    def image_points(self):
        return self._points("image")

    def text_points(self, texts):
        return self._points("text")
