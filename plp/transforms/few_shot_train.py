"""The field's training transform."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from plp.errors import ConfigError
from plp.registry import TRANSFORMS
from plp.transforms.base import Transform
from plp.transforms.pixels import to_rgb
from plp.transforms.random_crop import RandomCrop, draw_crop
from plp.transforms.size import SizeLike


@TRANSFORMS.register_module()
@final
class FewShotTrain(Transform):
    """Random crop of 8 to 100 % of the area, resized to `size`, mirrored half of the time.

    The training transform of CoOp, GalLoP and SOT-GLP.

    Args:
        size: Side of the output in pixels, or its height and width. The crop's own proportions
            stay between 3:4 and 4:3 whatever they are, as in torchvision and open_clip.
        interpolation: 'bicubic' or 'bilinear'.
        scale: Least and most area of the crop, as shares of the image.
        flip: Probability of a mirror image; 0 where left and right matter (digits, traffic signs).

    Example:
        >>> FewShotTrain(224)(Image.new('L', (300, 200))).shape
        torch.Size([3, 224, 224])
    """

    def __init__(
        self,
        size: SizeLike,
        interpolation: str = "bicubic",
        scale: Sequence[float] = (0.08, 1.0),
        flip: float = 0.5,
    ) -> None:
        super().__init__(size, interpolation)
        if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1:
            raise ConfigError(f"expected scale to be (least, most) in (0, 1], got {scale}.")
        if not 0 <= flip <= 1:
            raise ConfigError(f"expected flip to be a probability, got {flip}.")
        self.scale = (float(scale[0]), float(scale[1]))
        self.flip = float(flip)

    def draw(self, width: int, height: int, generator: torch.Generator) -> RandomCrop:
        """Draw what to look at in an image of `width` x `height` pixels."""
        return draw_crop(width, height, self.scale, self.flip, generator)

    def __call__(self, image: Image.Image) -> UInt8[Tensor, "3 H X"]:
        """Cut, resize and mirror by torch's global generator."""
        image = to_rgb(image)
        crop = self.draw(*image.size, torch.default_generator)
        resized = F.resized_crop(
            image, crop.top, crop.left, crop.height, crop.width, list(self.size), self.mode
        )
        return F.pil_to_tensor(F.hflip(resized) if crop.flip else resized)

    def describe(self) -> str:
        """Return all settings in one line."""
        return (
            f"FewShotTrain(size={self.plain_size}, interpolation={self.interpolation}, "
            f"scale={self.scale[0]:g}-{self.scale[1]:g}, flip={self.flip:g})"
        )
