"""The lite backbone's image tower as points name its parts: 1 x 1 convolutions and batch norms."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn

from plp.backbones._lite_text import at_least_float32
from plp.errors import ConfigError
from plp.towers import parts
from plp.towers.parts import Matrix, listed
from plp.towers.points import TowerPoints
from plp.towers.tower import NamedTower

_CPU_CHUNK = 16 * 224 * 224  # pixels


def feature_map(
    network: EfficientNet, images: Float[Tensor, "B 3 H X"]
) -> Float[Tensor, "B E h w"]:
    """Return the map before pooling, in float32 or better."""
    # A traced program is for any number of images, so that it cannot walk through parts.
    if images.device.type != "cpu" or torch.compiler.is_compiling():
        return at_least_float32(network.forward_features(images))
    # The activations of a few images fit a core's cache, those of a batch do not.
    images = images.contiguous(memory_format=torch.channels_last)
    parts = images.split(max(1, _CPU_CHUNK // images.shape[-2:].numel()))
    return at_least_float32(torch.cat([network.forward_features(part) for part in parts]))


class LiteImage(NamedTower):
    """EfficientNet with its batch norms; a 1 x 1 convolution is a matrix over a pixel's channels.

    Blocks are counted through all stages; names in them are timm's ('conv_pw', 'conv_pwl', 'bn1',
    ...). Depthwise convolutions and the stem are no matrices.

    Args:
        network: timm's model, norms not folded.
    """

    roots = ("network",)

    def __init__(self, network: EfficientNet) -> None:
        self.network: Any = network

    def layers(self) -> Sequence[nn.Module]:
        """Return timm's module of each block."""
        return [block for stage in self.network.blocks for block in stage]

    def matrices(self) -> dict[str, Matrix]:
        """Return every 1 x 1 convolution by name."""
        found = {
            f"blocks.{j}.{path}": Matrix(convolution)
            for j, layer in enumerate(self.layers())
            for path, convolution in parts.pointwise(layer)
        }
        return found | {path: Matrix(conv) for path, conv in self._around(parts.pointwise)}

    def _check(self, points: TowerPoints) -> None:
        if points.extra or points.replaced or points.residuals:
            raise ConfigError(
                "tokens and residuals: the lite backbone's image tower is a convolutional network "
                "without tokens. Here updates of 1 x 1 convolutions and weights of norms can act "
                f"(matrices: {listed(self.matrices())})."
            )
