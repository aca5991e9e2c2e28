"""CLIP's own test transform."""

from typing import final

from plp.registry import TRANSFORMS
from plp.transforms.base import CropGeometry, EvalTransform, resize_short_side


@TRANSFORMS.register_module()
@final
class ClipEval(EvalTransform):
    """Short side to `size`, centre square: CLIP's, CoOp's and open_clip's test transform ('clip').

    Args:
        size: Side of the output in pixels.
        interpolation: 'bicubic' or 'bilinear'.

    Example:
        >>> ClipEval(224).geometry(500, 375)
        CropGeometry(resize_width=298, resize_height=224, left=37, top=0, size=224)
    """

    def geometry(self, width: int, height: int) -> CropGeometry:
        """Return where an image of `width` x `height` pixels goes."""
        return resize_short_side(width, height, short=self.size, size=self.size)

    def describe(self) -> str:
        """Return all settings in one line."""
        return f"ClipEval(size={self.size}, interpolation={self.interpolation})"
