"""The contract of an image transform: any PIL image in, a square of uint8 pixels out."""

from abc import ABC, abstractmethod
from typing import NamedTuple, final

from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from plp.errors import ConfigError
from plp.transforms.pixels import to_rgb

_MODES = {"bicubic": InterpolationMode.BICUBIC, "bilinear": InterpolationMode.BILINEAR}


class Transform(ABC):
    """Turns an image into the uint8 square a backbone takes.

    Pixels stay uint8: the learner moves them to its device and normalises them there. Randomness
    comes from torch's global CPU generator only, which `ImageDataset` seeds for each image and puts
    back afterwards.

    Args:
        size: Side of the output in pixels; the assembling code fills in the backbone's.
        interpolation: 'bicubic' or 'bilinear'; likewise.

    Attributes:
        deterministic: Whether the pixels depend on the image alone, so that one look at it stands
            for all (and its features can be kept).
    """

    deterministic: bool = False

    def __init__(self, size: int, interpolation: str = "bicubic") -> None:
        if interpolation not in _MODES:
            raise ConfigError(
                f"expected interpolation to be one of {sorted(_MODES)}, got {interpolation!r}."
            )
        self.size = check_pixels("size", size)
        self.interpolation = interpolation

    @property
    def mode(self) -> InterpolationMode:
        """The interpolation as torchvision names it."""
        return _MODES[self.interpolation]

    @abstractmethod
    def __call__(self, image: Image.Image) -> UInt8[Tensor, "3 size size"]:
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
    """A deterministic transform in numbers: resize the whole image, then cut a square out of it.

    Attributes:
        resize_width: Width of the whole image after resizing.
        resize_height: Its height.
        left: Columns of the resized image left of the square.
        top: Rows above it.
        size: Side of the square.
    """

    resize_width: int
    resize_height: int
    left: int
    top: int
    size: int


class EvalTransform(Transform):
    """A deterministic transform: a sub-class says where to look, the pixels follow from that.

    The same numbers serve to draw a map over patches back onto the image.
    """

    deterministic = True

    @abstractmethod
    def geometry(self, width: int, height: int) -> CropGeometry:
        """Return where an image of `width` x `height` pixels goes."""

    @final
    def __call__(self, image: Image.Image) -> UInt8[Tensor, "3 size size"]:
        """Resize in PIL (which antialiases, as CLIP's own preprocessing does) and cut."""
        crop = self.geometry(*image.size)
        resized = F.resize(
            to_rgb(image), [crop.resize_height, crop.resize_width], interpolation=self.mode
        )
        return F.pil_to_tensor(F.crop(resized, crop.top, crop.left, crop.size, crop.size))


def resize_short_side(width: int, height: int, short: int, size: int) -> CropGeometry:
    """Scale the short side to `short`, then cut a centred square of side `size`.

    Rounding is torchvision's, which is CLIP's: the long side is truncated, the offsets are rounded
    to the nearest even number at a half.

    Example:
        >>> resize_short_side(500, 375, short=224, size=224)
        CropGeometry(resize_width=298, resize_height=224, left=37, top=0, size=224)
    """
    if width <= height:
        resized = (short, int(short * height / width))
    else:
        resized = (int(short * width / height), short)
    left, top = (round((side - size) / 2.0) for side in resized)
    return CropGeometry(*resized, left, top, size)


def check_pixels(name: str, value: int) -> int:
    """Return `value` if it is a number of pixels.

    Raises:
        ConfigError: if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"expected {name} to be a whole number of pixels, got {value!r}.")
    return value
