"""A test transform that looks at the middle of an image."""

from typing import final

from plp.errors import ConfigError
from plp.registry import TRANSFORMS
from plp.transforms.base import CropGeometry, EvalTransform, check_pixels, resize_short_side


@TRANSFORMS.register_module()
@final
class ResizedCenterCrop(EvalTransform):
    """Short side to more than `size`, then the centre square: looks at the middle of the image.

    With 256 and 224 it is ImageNet's usual test crop. CLIP, CoOp, GalLoP and SOT-GLP test with
    `ClipEval`: accuracies under the two are not comparable. (A crop of 256 stands in the published
    code of the latter two, `get_eval_transform`; nothing calls it.)

    Args:
        size: Side of the output in pixels.
        interpolation: 'bicubic' or 'bilinear'.
        resize: Short side before the cut, at least `size`. None: in the usual proportion, 256 for
            224.

    Example:
        >>> ResizedCenterCrop(224).geometry(500, 375)
        CropGeometry(resize_width=341, resize_height=256, left=58, top=16, size=224)
        >>> ResizedCenterCrop(336)
        ResizedCenterCrop(size=336, interpolation=bicubic, resize=384)
    """

    def __init__(
        self, size: int, interpolation: str = "bicubic", resize: int | None = None
    ) -> None:
        super().__init__(size, interpolation)
        self.resize = round(size * 256 / 224) if resize is None else check_pixels("resize", resize)
        if self.resize < size:
            raise ConfigError(f"expected resize to be at least size={size}, got {resize}.")

    def geometry(self, width: int, height: int) -> CropGeometry:
        """Return where an image of `width` x `height` pixels goes."""
        return resize_short_side(width, height, short=self.resize, size=self.size)

    def describe(self) -> str:
        """Return all settings in one line."""
        return (
            f"ResizedCenterCrop(size={self.size}, interpolation={self.interpolation}, "
            f"resize={self.resize})"
        )
