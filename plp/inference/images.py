"""Whatever a user calls an image, as 8-bit RGB: a path, a PIL image, an array, a tensor."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from plp.datasets.decoding import PLAIN, Decoded, check_shape, decode_file, decode_image
from plp.datasets.quiet_pillow import quiet_pillow
from plp.errors import DataError, describe_os_error
from plp.transforms.pixels import Reading, ValueRange, scale

_PATHS = (str, os.PathLike)
_AS_PUBLISHED = Reading()


class Named(NamedTuple):
    """An image that is not decoded yet.

    Attributes:
        name: How messages and results call it: its path, or its place.
        image: What was given.
    """

    name: str
    image: Any


def as_images(images: Any) -> list[Named]:
    """List single images: one, a sequence of them, or a batch along the first axis.

    A path, a PIL image, an array [H, W, 3] or [H, W], or a tensor [3, H, W] is one image; an array
    [B, H, W, 3] and a tensor [B, 3, H, W] are batches.

    Raises:
        DataError: for no image at all, or something that is none.
    """
    if _is_one(images):
        images = [images]
    elif isinstance(images, Mapping) or not isinstance(images, Iterable):
        raise DataError(f"{_EXPECTED}, got {type(images).__name__}")
    listed = list(images)
    if not listed:
        raise DataError("expected images, got an empty list")
    several = len(listed) > 1
    return [
        Named(_name(image, f"image {place} of {len(listed)}" if several else "the image"), image)
        for place, image in enumerate(listed, start=1)
    ]


def decode(named: Named, reading: Reading = _AS_PUBLISHED) -> Image.Image:
    """Return an image as 8-bit RGB; see `look_at`."""
    return look_at(named, reading).image


def look_at(named: Named, reading: Reading = _AS_PUBLISHED) -> Decoded:
    """Return an image as 8-bit RGB, and what is known about its file.

    Floats are read as shares of full brightness, in [0, 1], and rounded to 8 bit; whole numbers
    beyond 8 bits by the range of values, where there is one.

    Args:
        named: The image.
        reading: How files, PIL images and deep arrays are understood.

    Raises:
        DataError: naming the image: a missing or unreadable file, a folder, an array of another
            shape or dtype, or with values outside the range of its dtype's meaning.
    """
    name, image = named
    if isinstance(image, _PATHS):
        return _read_file(Path(image), reading)
    try:
        if isinstance(image, Image.Image):
            with quiet_pillow:
                found = decode_image(image, *reading)
        elif isinstance(image, np.ndarray | torch.Tensor):
            found = Decoded(_from_array(image, reading.value_range), PLAIN)
        else:
            raise DataError(f"{_EXPECTED}, got {type(image).__name__}")
    except Exception as error:  # a lazily opened file raises whatever its decoder likes
        raise DataError(f"{name}: {error}") from error
    return found._replace(image=check_shape(name, found.image))


_EXPECTED = "expected a path, a PIL image, an array [H, W, 3] or a tensor [3, H, W]"


def _is_one(image: Any) -> bool:
    if isinstance(image, np.ndarray | torch.Tensor):
        return image.ndim != 4
    return isinstance(image, (*_PATHS, Image.Image))


def _name(image: Any, place: str) -> str:
    return os.fspath(image) if isinstance(image, _PATHS) else place


def _read_file(path: Path, reading: Reading) -> Decoded:
    try:
        _check_file(path)
    except OSError as error:
        raise DataError(describe_os_error(error)) from error
    return decode_file(path, *reading)


def _check_file(path: Path) -> None:
    """Refuse folders, pipes and devices."""
    if path.is_dir():
        raise DataError(
            f"{str(path)!r} is a folder, expected an image. Give its files, such as "
            f"sorted(Path({str(path)!r}).glob('*.jpg')); `plp predict` takes folders"
        )
    if path.exists() and not path.is_file():  # a pipe would be waited for without end
        raise DataError(f"{str(path)!r} is not a regular file, expected an image")


def _from_array(image: np.ndarray | torch.Tensor, value_range: ValueRange | None) -> Image.Image:
    if isinstance(image, torch.Tensor):
        pixels = _channels_last(image)
    else:
        pixels = image
        if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] == 3)):
            raise DataError(
                f"expected an array [H, W, 3] or [H, W], got {list(pixels.shape)}.{_hint(pixels)}"
            )
    if 0 in pixels.shape:
        raise DataError(f"expected pixels, got an empty array of shape {list(image.shape)}")
    return Image.fromarray(np.ascontiguousarray(_as_bytes(pixels, value_range))).convert("RGB")


def _channels_last(image: torch.Tensor) -> np.ndarray:
    if image.ndim != 3 or image.shape[0] != 3:
        raise DataError(f"expected a tensor [3, H, W], got {list(image.shape)}")
    image = image.detach().cpu().permute(1, 2, 0)
    return (image.double() if image.is_floating_point() else image).numpy()


def _hint(pixels: np.ndarray) -> str:
    if pixels.ndim == 3 and pixels.shape[0] == 3:
        return " Channels stand last in an array: array.transpose(1, 2, 0)"
    if pixels.ndim == 3 and pixels.shape[-1] == 4:
        return " Leave the transparency out: array[..., :3]"
    return ""


def _as_bytes(pixels: np.ndarray, value_range: ValueRange | None) -> np.ndarray:
    if pixels.dtype == np.uint8:
        return pixels
    if np.issubdtype(pixels.dtype, np.integer) and value_range is not None:
        return scale(pixels, value_range)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise DataError(f"expected uint8, or floats in [0, 1], got {pixels.dtype}")
    if not np.isfinite(pixels).all():
        bad = int((~np.isfinite(pixels)).sum())
        raise DataError(f"{bad} of {pixels.size} values are not finite")
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 1:
        raise DataError(
            f"expected floats in [0, 1], got {low:g} to {high:g}. Values up to 255 are given as "
            "uint8; normalised values are not wanted, the classifier normalises"
        )
    return np.rint(pixels.astype(np.float64) * 255).astype(np.uint8)
