"""Decoding one image file, and what about it decides whether it is read as it was meant."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, TiffImagePlugin
from PIL.Image import Transpose

from plp.datasets.quiet_pillow import quiet_pillow
from plp.datasets.raster import describe_raster
from plp.datasets.suffixes import open_image, why_unknown
from plp.errors import DataError
from plp.transforms.pixels import ValueRange, declared_range, is_deep, scale, to_rgb

_MOST_PIXELS = 2**26  # of an image whose short side is resized to 224
_ORIENTATION = 0x0112
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE, 6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}  # fmt: skip
_SIDEWAYS = (5, 6, 7, 8)
# Where an orientation can stand in what PIL keeps of a file.
_METADATA = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")


class Traits(NamedTuple):
    """What about an image file may make plp read it otherwise than it was meant.

    Attributes:
        orientation: EXIF orientation 2 to 8; 1 for an upright image. PIL turns TIFFs itself.
        lost_exif: Whether there is EXIF data that cannot be read.
        depth: 'grey' for grey of more than 8 bits, 'colour' for colours of 16 bits, of which PIL
            keeps the upper 8; '' for 8 bits and for what says its own range.
        low: Smallest value of a deep image; of colours as far as it is known.
        high: Largest value.
        pages: Images in a TIFF, of which the first is read.
    """

    orientation: int = 1
    lost_exif: bool = False
    depth: str = ""
    low: int | float = 0
    high: int | float = 0
    pages: int = 1


PLAIN = Traits()

# Grey TIFFs that PIL decodes where black is zero only: `to_rgb` undoes the other polarity.
for (_order, _polarity, *_rest), _modes in tuple(TiffImagePlugin.OPEN_INFO.items()):
    if _polarity == 1 and _modes[0] in ("I;16", "I;16B", "I", "F"):
        TiffImagePlugin.OPEN_INFO.setdefault((_order, 0, *_rest), _modes)  # type: ignore[arg-type]

_ANY: ValueRange = (0, 1)  # where only traits are asked for


class Decoded(NamedTuple):
    """An image as 8-bit RGB, and what is to be known about its file."""

    image: Image.Image
    traits: Traits


def decode_file(
    path: str | Path, exif: bool = False, value_range: ValueRange | None = None
) -> Decoded:
    """Decode an image file completely; see `read_image`.

    Raises:
        DataError: as `read_image`.
    """
    try:
        with quiet_pillow, open_image(path) as image:
            found = decode_image(image, exif, value_range)
    except Exception as error:  # decoders of damaged files raise whatever they like
        raise DataError(
            f"{str(path)!r} cannot be read as an image: {_reason(path, error)}"
        ) from error
    return found._replace(image=check_shape(repr(str(path)), found.image))


def decode_image(
    image: Image.Image, exif: bool = False, value_range: ValueRange | None = None
) -> Decoded:
    """Decode a PIL image, which may be a file that is open but not read yet.

    An image that was turned upright has no EXIF data any more: nobody turns it again.

    Raises:
        Exception: whatever the decoder of a damaged file raises.
    """
    deep_colours, pages = _has_deep_colours(image), _pages(image)  # loading forgets them
    if getattr(image, "tag_v2", {}).get(_ORIENTATION) in _SIDEWAYS:
        # PIL 13 maps an uncompressed TIFF of a named file into memory with width and height
        # exchanged, and mixes its pixels up; from a file without a name it reads them.
        image.filename = ""  # type: ignore[attr-defined]
    image.load()
    traits = _traits(image, deep_colours)._replace(pages=pages)
    found = to_rgb(image, value_range)
    if deep_colours and value_range is not None:
        found = Image.fromarray(scale(np.asarray(found).astype(np.uint16) * 257, value_range))
    if exif and traits.orientation in _TURNS:
        found = found.transpose(_TURNS[traits.orientation])
        found.info = {key: value for key, value in found.info.items() if key not in _METADATA}
    return Decoded(found, traits)


def glance(path: str | Path) -> Traits:
    """Return the traits of an image file by its header; only a deep image is decoded.

    Raises:
        DataError: as `read_image`, as far as the header tells.
    """
    try:
        with quiet_pillow, open_image(path) as image:
            if _has_deep_colours(image) or is_deep(image):
                return decode_image(image, value_range=_ANY).traits
            return _traits(image, deep_colours=False)._replace(pages=_pages(image))
    except Exception as error:
        raise DataError(
            f"{str(path)!r} cannot be read as an image: {_reason(path, error)}"
        ) from error


def check_shape(name: str, image: Image.Image) -> Image.Image:
    """Refuse what would fill the memory when its short side is resized to what a backbone takes.

    Args:
        name: What the image is called in the message.
        image: Returned as it is.

    Raises:
        DataError: for a strip that is too long.
    """
    short, long = sorted(image.size)
    if 224 * 224 * long / short > _MOST_PIXELS:
        raise DataError(
            f"{name}: {image.width} x {image.height} pixels is too long a strip. Cut it into parts"
        )
    return image


def _traits(image: Image.Image, deep_colours: bool) -> Traits:
    orientation, lost = _orientation(image)
    traits = PLAIN._replace(orientation=orientation, lost_exif=lost)
    if is_deep(image) and declared_range(image) is None:
        values = np.asarray(image)
        return traits._replace(depth="grey", low=_plain(values.min()), high=_plain(values.max()))
    if deep_colours:  # of each value the upper 8 bits are known
        colours = np.asarray(image)[..., :3]
        low, high = int(colours.min()) * 256, int(colours.max()) * 256 + 255
        return traits._replace(depth="colour", low=low, high=high)
    return traits


def _plain(value: Any) -> int | float:
    number = value.item()
    return number if isinstance(number, int) else float(number)


def _has_deep_colours(image: Image.Image) -> bool:
    """Whether the file of an image that is not loaded yet has colours of 16 bits."""
    tiles = getattr(image, "tile", None) or ()
    raw = [tile[3][0] if isinstance(tile[3], tuple) else tile[3] for tile in tiles[:1]]
    return image.mode in ("RGB", "RGBA", "RGBX") and any(";16" in str(name) for name in raw)


def _pages(image: Image.Image) -> int:
    try:
        return getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    except Exception:  # a damaged page that nobody reads
        return 1


def _orientation(image: Image.Image) -> tuple[int, bool]:
    """Return the EXIF orientation, and whether there is EXIF data that cannot be read."""
    if not any(key in image.info for key in _METADATA):
        return 1, False
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # whatever damaged data make of the parser
        return 1, True
    return (found, False) if isinstance(found, int) and found in _TURNS else (1, False)


def _reason(path: str | Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if Path(path).is_file() and Path(path).stat().st_size == 0:
        return "the file is empty"
    if isinstance(error, Image.UnidentifiedImageError):
        return describe_raster(path) or why_unknown(path)
    if isinstance(error, Image.DecompressionBombError):
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return f"it has more than {limit:,} pixels, the most that is decoded. Make it smaller"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # the message would name the file again
    return str(error) or type(error).__name__
