"""A test transform that sees the whole image in its own proportions."""

from collections.abc import Sequence
from typing import final

from plp.registry import TRANSFORMS
from plp.transforms.base import CropGeometry, EvalTransform, centred, fit
from plp.transforms.preprocessing import read_colour
from plp.transforms.size import SizeLike, plain_size, read_size


@TRANSFORMS.register_module()
@final
class Letterbox(EvalTransform):
    """Long side to `size`, the rest padded: the whole image, not distorted ('longest').

    Args:
        size: Side of the output in pixels, or its height and width: then the image is resized to
            fit into that.
        interpolation: 'bicubic' or 'bilinear'.
        fill: Colour of the padding: a grey from 0 to 255, or red, green and blue.
        resize: Side, or sides, of the box that the image is fitted into before the centre is cut
            out. None: `size`.

    Example:
        >>> Letterbox(224).geometry(500, 375)
        CropGeometry(resize_width=224, resize_height=168, left=0, top=-28, width=224, height=224)
    """

    def __init__(
        self,
        size: SizeLike,
        interpolation: str = "bicubic",
        fill: int | Sequence[int] = 0,
        resize: SizeLike | None = None,
    ) -> None:
        super().__init__(size, interpolation)
        self.fill = read_colour(fill)
        self.resize = self.size if resize is None else read_size("resize", resize)

    def geometry(self, width: int, height: int) -> CropGeometry:
        """Return where an image of `width` x `height` pixels goes."""
        return centred(fit(width, height, self.resize), self.size)

    def describe(self) -> str:
        """Return all settings in one line."""
        before = "" if self.resize == self.size else f", resize={plain_size(self.resize)}"
        return (
            f"Letterbox(size={self.plain_size}, interpolation={self.interpolation}, "
            f"fill={self.fill}{before})"
        )
