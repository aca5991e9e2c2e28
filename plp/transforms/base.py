"""The contract of an image transform: any PIL image in, uint8 pixels of one size out."""

from abc import ABC, abstractmethod
from typing import NamedTuple, final

from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from plp.errors import ConfigError
from plp.transforms.pixels import to_rgb
from plp.transforms.size import Size, SizeLike, plain_size, read_size

_MODES = {"bicubic": InterpolationMode.BICUBIC, "bilinear": InterpolationMode.BILINEAR}


class Transform(ABC):
    """Turns an image into the uint8 pixels a backbone takes.

    Pixels stay uint8: the learner moves them to its device and normalises them there. Randomness
    comes from torch's global CPU generator only, which `ImageDataset` seeds for each image and puts
    back afterwards.

    Args:
        size: Side of the output in pixels, or its height and width; the assembling code fills in
            the backbone's.
        interpolation: 'bicubic' or 'bilinear'; likewise.

    Attributes:
        size: Height and width of the output.
        deterministic: Whether the pixels depend on the image alone, so that one look at it stands
            for all (and its features can be kept).
    """

    deterministic: bool = False

    def __init__(self, size: SizeLike, interpolation: str = "bicubic") -> None:
        if interpolation not in _MODES:
            raise ConfigError(
                f"expected interpolation to be one of {sorted(_MODES)}, got {interpolation!r}."
            )
        self.size = read_size("size", size)
        self.interpolation = interpolation

    @property
    def plain_size(self) -> int | Size:
        """The size as descriptions have it: one number for a square."""
        return plain_size(self.size)

    @property
    def mode(self) -> InterpolationMode:
        """The interpolation as torchvision names it."""
        return _MODES[self.interpolation]

    @abstractmethod
    def __call__(self, image: Image.Image) -> UInt8[Tensor, "3 H X"]:
        """Transform an image of any mode.

        Raises:
            DataError: for pixels without a defined 8-bit meaning (see `to_rgb`).
        """

    @abstractmethod
    def describe(self) -> str:
        """Return all settings in one line, the same in every version.

        It goes into result.json, and features on disk are told apart by it.
        """

    def __repr__(self) -> str:
        return self.describe()


class CropGeometry(NamedTuple):
    """A deterministic transform in numbers: resize the whole image, then cut a window out of it.

    Where the window reaches beyond the resized image (`left` or `top` below 0), it is padded.

    Attributes:
        resize_width: Width of the whole image after resizing.
        resize_height: Its height.
        left: Columns of the resized image left of the window.
        top: Rows above it.
        width: Columns of the window.
        height: Its rows.
    """

    resize_width: int
    resize_height: int
    left: int
    top: int
    width: int
    height: int


class EvalTransform(Transform):
    """A deterministic transform: a sub-class says where to look, the pixels follow from that.

    The same numbers serve to draw a map over patches back onto the image.
    """

    deterministic = True
    fill: int | tuple[int, int, int] = 0  # colour of the padding

    @abstractmethod
    def geometry(self, width: int, height: int) -> CropGeometry:
        """Return where an image of `width` x `height` pixels goes."""

    @final
    def __call__(self, image: Image.Image) -> UInt8[Tensor, "3 H X"]:
        """Resize in PIL (which antialiases, as CLIP's own preprocessing does) and cut."""
        crop = self.geometry(*image.size)
        resized = F.resize(
            to_rgb(image), [crop.resize_height, crop.resize_width], interpolation=self.mode
        )
        right = crop.left + crop.width - crop.resize_width
        bottom = crop.top + crop.height - crop.resize_height
        if min(crop.left, crop.top) < 0 or max(right, bottom) > 0:
            margins = [max(side, 0) for side in (-crop.left, -crop.top, right, bottom)]
            fill = [self.fill] * 3 if isinstance(self.fill, int) else list(self.fill)
            resized = F.pad(resized, margins, fill=fill)
        top, left = max(crop.top, 0), max(crop.left, 0)
        return F.pil_to_tensor(F.crop(resized, top, left, crop.height, crop.width))


def cover(width: int, height: int, box: Size) -> Size:
    """Return height and width of an image that just covers a box, in its own proportions.

    Rounding is open_clip's: for a square box torchvision's, which truncates the long side; else to
    the nearest number.

    Example:
        >>> cover(500, 375, (224, 224)), cover(500, 375, (224, 448))
        ((224, 298), (336, 448))
    """
    if box[0] != box[1]:
        ratio = min(height / box[0], width / box[1])
        return round(height / ratio), round(width / ratio)
    short = box[0]
    if width <= height:
        return int(short * height / width), short
    return short, int(short * width / height)


def fit(width: int, height: int, box: Size) -> Size:
    """Return height and width of an image that just fits into a box, in its own proportions.

    Example:
        >>> fit(500, 375, (224, 224)), fit(2000, 1, (224, 224))
        ((168, 224), (1, 224))
    """
    ratio = max(height / box[0], width / box[1])
    return max(round(height / ratio), 1), max(round(width / ratio), 1)


def centred(resized: Size, size: Size) -> CropGeometry:
    """Return the window of a size in the middle of a resized image, padded where that is smaller.

    Offsets inside are rounded to the nearest even number at a half; of an odd padding the larger
    part stands right and below. Both as in torchvision and open_clip.

    Example:
        >>> centred((224, 298), (224, 224))
        CropGeometry(resize_width=298, resize_height=224, left=37, top=0, width=224, height=224)
        >>> centred((167, 224), (224, 224)).top
        -28
    """
    top, left = (
        round((whole - window) / 2.0) if whole >= window else -((window - whole) // 2)
        for whole, window in zip(resized, size, strict=True)
    )
    return CropGeometry(resized[1], resized[0], left, top, size[1], size[0])
