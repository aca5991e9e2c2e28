"""A test transform that sees the whole image, distorted."""

from typing import final

from plp.errors import ConfigError
from plp.registry import TRANSFORMS
from plp.transforms.base import CropGeometry, EvalTransform, centred
from plp.transforms.size import SizeLike, plain_size, read_size


@TRANSFORMS.register_module()
@final
class Squash(EvalTransform):
    """Both sides to `size`: the whole image, distorted unless it has its proportions ('squash').

    SigLIP, Perception Encoder, CLIPA and some of DFN were trained so.

    Args:
        size: Side of the output in pixels, or its height and width.
        interpolation: 'bicubic' or 'bilinear'.
        resize: Sides to squash to before the centre is cut out, at least `size`. None: `size`.

    Example:
        >>> Squash(224).geometry(500, 375)[:2]
        (224, 224)
        >>> Squash(289, resize=346).geometry(500, 375)
        CropGeometry(resize_width=346, resize_height=346, left=28, top=28, width=289, height=289)
    """

    def __init__(
        self, size: SizeLike, interpolation: str = "bicubic", resize: SizeLike | None = None
    ) -> None:
        super().__init__(size, interpolation)
        self.resize = self.size if resize is None else read_size("resize", resize)
        if any(whole < window for whole, window in zip(self.resize, self.size, strict=True)):
            raise ConfigError(f"expected resize to be at least size={size}, got {resize}.")

    def geometry(self, width: int, height: int) -> CropGeometry:
        """Return where an image of `width` x `height` pixels goes."""
        return centred(self.resize, self.size)

    def describe(self) -> str:
        """Return all settings in one line."""
        before = "" if self.resize == self.size else f", resize={plain_size(self.resize)}"
        return f"Squash(size={self.plain_size}, interpolation={self.interpolation}{before})"
