"""Any PIL image as 8-bit RGB."""

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from plp.errors import DataError

ValueRange: TypeAlias = tuple[int | float, int | float]

_FULL: ValueRange = (0, 65535)
_PHOTOMETRIC, _BITS = 262, 258  # tags of TIFF
_WHITE_IS_ZERO = 0
# Alpha that is multiplied in: PIL converts such images to nothing but the plain mode.
_PLAIN = {"La": "LA", "RGBa": "RGBA"}


class Reading(NamedTuple):
    """How the pixels of an image file are understood.

    Attributes:
        exif: Turn the image upright by its EXIF orientation.
        value_range: The values of a deep image (more than 8 bits a channel) that are black and
            white, see `to_rgb`; None for what the file says, else 0 and 65535.
    """

    exif: bool = False
    value_range: ValueRange | None = None


def to_rgb(image: Image.Image, value_range: ValueRange | None = None) -> Image.Image:
    """Convert an image of any mode to 8-bit RGB, before any resizing.

    - Grey, palette, CMYK and the other 8-bit colour modes: PIL's conversion.
    - Transparency: dropped, as in the published code; nothing is put behind the image.
    - Deep grey (16 or 32 bits, floats): scaled so that `value_range` becomes 0..255; what lies
      beyond it is clipped. Without a range 16-bit grey is scaled from 0..65535, or from what a TIFF
      says (12 bits: 0..4095). PIL's own conversion clips at 255 instead, which makes such images
      white. PIL also gives 16-bit files the 32-bit mode 'I'; that is read in the same way.
    - TIFF's "white is zero" is undone: by PIL up to 8 bits, here for deep images.

    Args:
        image: The image; returned as it is if it is RGB.
        value_range: Black and white of deep images. Others have their own range.

    Raises:
        DataError: for floating-point pixels and for 'I' pixels outside 0..65535, whose range of
            values nothing tells; for values that are not finite.

    Example:
        >>> to_rgb(Image.new('I;16', (1, 1), 65535)).getpixel((0, 0))
        (255, 255, 255)
        >>> to_rgb(Image.new('I;16', (1, 1), 4095), value_range=(0, 4095)).getpixel((0, 0))
        (255, 255, 255)
    """
    if image.mode == "RGB":
        return image
    if is_deep(image):
        return _scaled(image, value_range).convert("RGB")
    if image.mode in _PLAIN:
        image = image.convert(_PLAIN[image.mode])
    if "transparency" in image.info:
        # By way of RGBA, as PIL asks for with palettes; the colours are the same.
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def is_deep(image: Image.Image) -> bool:
    """Whether an image has more than 8 bits a channel, as PIL holds it."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def declared_range(image: Image.Image) -> ValueRange | None:
    """Return the range of values that a file of 9 to 15 bits says it has; None for others."""
    bits = _tag(image, _BITS)
    bits = bits[0] if isinstance(bits, tuple) and bits else bits
    return (0, 2**bits - 1) if isinstance(bits, int) and 8 < bits < 16 else None


def scale(values: np.ndarray, value_range: ValueRange) -> np.ndarray:
    """Return values as bytes: 0 and 255 at the ends of a range, clipped beyond."""
    low, high = value_range
    shares = (values.astype(np.float64) - low) / (high - low)
    return np.rint(shares.clip(0, 1) * 255).astype(np.uint8)


def _scaled(image: Image.Image, value_range: ValueRange | None) -> Image.Image:
    values = np.asarray(image)
    value_range = value_range or declared_range(image)
    if image.mode == "F":
        _check_finite(values)
    if value_range is None:
        value_range = _FULL
        _check_range(image.mode, values)
    pixels = scale(values, value_range)
    return Image.fromarray(255 - pixels if _tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO else pixels)


def _tag(image: Image.Image, number: int) -> Any:
    return getattr(image, "tag_v2", {}).get(number)


def _check_finite(values: np.ndarray) -> None:
    if bad := int((~np.isfinite(values)).sum()):
        raise DataError(f"{bad} of {values.size} values are not finite")


def _check_range(mode: str, values: np.ndarray) -> None:
    low, high = values.min(), values.max()
    remedy = "convert to 8 or 16 bit, or train with data.value_range=[BLACK,WHITE]"
    if mode == "F":
        raise DataError(
            f"floating-point pixels have no defined range ({low:g}..{high:g} here); {remedy}"
        )
    if low < 0 or high > _FULL[1]:
        raise DataError(f"expected 16-bit pixels in 0..65535, got {low}..{high}; {remedy}")


def check_value_range(value_range: Any) -> ValueRange | None:
    """Return a range of values, read from a config.

    Raises:
        DataError: for anything but two finite numbers that grow, or None.
    """
    if value_range is None:
        return None
    pair = tuple(value_range) if isinstance(value_range, list | tuple) else ()
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in pair)
    if not (len(pair) == 2 and numbers and all(map(math.isfinite, pair)) and pair[0] < pair[1]):
        raise DataError(
            "expected value_range to be two numbers, those of black and of white, such as "
            f"[0,4095], or None; got {value_range!r}"
        )
    return pair[0], pair[1]
