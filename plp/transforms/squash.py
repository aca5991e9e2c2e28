"""A test transform that sees the whole image."""

from typing import final

from plp.registry import TRANSFORMS
from plp.transforms.base import CropGeometry, EvalTransform


@TRANSFORMS.register_module()
@final
class Squash(EvalTransform):
    """Both sides to `size`: the whole image, distorted unless it is square ('squash').

    Args:
        size: Side of the output in pixels.
        interpolation: 'bicubic' or 'bilinear'.

    Example:
        >>> Squash(224).geometry(500, 375)
        CropGeometry(resize_width=224, resize_height=224, left=0, top=0, size=224)
    """

    def geometry(self, width: int, height: int) -> CropGeometry:
        """Return where an image of `width` x `height` pixels goes."""
        return CropGeometry(self.size, self.size, 0, 0, self.size)

    def describe(self) -> str:
        """Return all settings in one line."""
        return f"Squash(size={self.size}, interpolation={self.interpolation})"
