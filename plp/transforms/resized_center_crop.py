"""A test transform that looks at the middle of an image."""

from typing import final

from plp.errors import ConfigError
from plp.registry import TRANSFORMS
from plp.transforms.base import CropGeometry, EvalTransform, centred, cover
from plp.transforms.size import Size, SizeLike, plain_size, read_size


@TRANSFORMS.register_module()
@final
class ResizedCenterCrop(EvalTransform):
    """Short side to more than `size`, then the centre: looks at the middle of the image.

    With 256 and 224 it is ImageNet's usual test crop. CLIP, CoOp, GalLoP and SOT-GLP test with
    `ClipEval`: accuracies under the two are not comparable. (A crop of 256 stands in the published
    code of the latter two, `get_eval_transform`; nothing calls it.)

    Args:
        size: Side of the output in pixels, or its height and width.
        interpolation: 'bicubic' or 'bilinear'.
        resize: Short side before the cut, at least `size`; or height and width of a box that the
            resized image covers. None: in the usual proportion, 256 for 224.

    Example:
        >>> ResizedCenterCrop(224).geometry(500, 375)
        CropGeometry(resize_width=341, resize_height=256, left=58, top=16, width=224, height=224)
        >>> ResizedCenterCrop(336)
        ResizedCenterCrop(size=336, interpolation=bicubic, resize=384)
    """

    def __init__(
        self, size: SizeLike, interpolation: str = "bicubic", resize: SizeLike | None = None
    ) -> None:
        super().__init__(size, interpolation)
        usual = (round(self.size[0] * 256 / 224), round(self.size[1] * 256 / 224))
        self.resize = usual if resize is None else self._box(resize)
        if any(whole < window for whole, window in zip(self.resize, self.size, strict=True)):
            raise ConfigError(f"expected resize to be at least size={size}, got {resize}.")

    def geometry(self, width: int, height: int) -> CropGeometry:
        """Return where an image of `width` x `height` pixels goes."""
        return centred(cover(width, height, self.resize), self.size)

    def describe(self) -> str:
        """Return all settings in one line."""
        return (
            f"ResizedCenterCrop(size={self.plain_size}, interpolation={self.interpolation}, "
            f"resize={plain_size(self.resize)})"
        )

    def _box(self, resize: SizeLike) -> Size:
        """Return the box; of a short side, in the proportions of `size`."""
        if not isinstance(resize, int):
            return read_size("resize", resize)
        height, width = self.size
        short = read_size("resize", resize)[0]
        return round(short * height / min(self.size)), round(short * width / min(self.size))
