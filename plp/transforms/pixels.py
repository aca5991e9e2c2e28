"""Any PIL image as 8-bit RGB."""

import numpy as np
from PIL import Image

from plp.errors import DataError


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to 8-bit RGB, before any resizing.

    - Grey, palette, CMYK and the other 8-bit colour modes: PIL's conversion.
    - Transparency: dropped, as in the published code; nothing is put behind the image.
    - 16-bit grey: 0..65535 is scaled to 0..255. PIL's own conversion clips at 255 instead, which
      makes such images white. PIL also gives 16-bit files the 32-bit mode 'I'; that is read in the
      same way.

    Args:
        image: The image; returned as it is if it is RGB.

    Raises:
        DataError: for floating-point pixels and for 'I' pixels outside 0..65535, whose range of
            values nothing tells.

    Example:
        >>> to_rgb(Image.new('I;16', (1, 1), 65535)).getpixel((0, 0))
        (255, 255, 255)
    """
    if image.mode == "RGB":
        return image
    if image.mode == "F":
        raise DataError("floating-point pixels have no defined range; convert to 8 or 16 bit.")
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _scale_16_bit(np.asarray(image)).convert("RGB")
    if "transparency" in image.info:
        # By way of RGBA, as PIL asks for with palettes; the colours are the same.
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def _scale_16_bit(pixels: np.ndarray) -> Image.Image:
    values = pixels.astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise DataError(
            f"expected 16-bit pixels in 0..65535, got {values.min()}..{values.max()}; convert to "
            "8 or 16 bit."
        )
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
