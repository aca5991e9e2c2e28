"""CLIP's own test transform."""

from typing import final

from plp.registry import TRANSFORMS
from plp.transforms.base import CropGeometry, EvalTransform, centred, cover


@TRANSFORMS.register_module()
@final
class ClipEval(EvalTransform):
    """Short side to `size`, centre crop: CLIP's, CoOp's and open_clip's test transform ('clip').

    Args:
        size: Side of the output in pixels, or its height and width: then the image is resized to
            cover that.
        interpolation: 'bicubic' or 'bilinear'.

    Example:
        >>> ClipEval(224).geometry(500, 375)
        CropGeometry(resize_width=298, resize_height=224, left=37, top=0, width=224, height=224)
    """

    def geometry(self, width: int, height: int) -> CropGeometry:
        """Return where an image of `width` x `height` pixels goes."""
        return centred(cover(width, height, self.size), self.size)

    def describe(self) -> str:
        """Return all settings in one line."""
        return f"ClipEval(size={self.plain_size}, interpolation={self.interpolation})"
