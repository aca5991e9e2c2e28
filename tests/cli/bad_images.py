"""Contents of image files: those that no decoder takes, and those that are odd but fine."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image


def _pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format=form, **options)
    return file.getvalue()


def _rgb(width: int = 40, height: int = 50) -> Image.Image:
    return Image.fromarray(_pixels(height, width, 3))


def _png_of_size(width: int, height: int) -> bytes:
    """Return a PNG whose head promises pixels that its few bytes do not hold."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _flipped(content: bytes) -> bytes:
    """Return a content with a damaged middle."""
    half = len(content) // 2
    return (
        content[:half]
        + bytes(byte ^ 255 for byte in content[half : half + 64])
        + content[half + 64 :]
    )


BAD: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "one byte": lambda: b"\x89",
    "text": lambda: b"this is a letter, no image\n",
    "html": lambda: b"<html><body>404 not found</body></html>",
    "zeros": lambda: bytes(4096),
    "png cut in half": lambda: (lambda c: c[: len(c) // 2])(_encoded(_rgb(), "PNG")),
    "png without pixels": lambda: _encoded(_rgb(), "PNG")[:60],
    "jpeg cut in half": lambda: (lambda c: c[: len(c) // 2])(_encoded(_rgb(200, 200), "JPEG")),
    "jpeg of its head": lambda: _encoded(_rgb(), "JPEG")[:30],
    "gif cut": lambda: _encoded(_rgb(), "GIF")[:40],
    "webp cut": lambda: (lambda c: c[: len(c) // 2])(_encoded(_rgb(), "WEBP")),
    "tiff cut": lambda: _encoded(_rgb(), "TIFF")[:100],
    "png damaged": lambda: _flipped(_encoded(_rgb(), "PNG")),
    "decompression bomb": lambda: _png_of_size(60000, 60000),
    "promises more than it has": lambda: _png_of_size(3000, 3000),
    "floats of no range": lambda: _encoded(Image.new("F", (40, 50), 0.5), "TIFF"),
    "no width": lambda: _png_of_size(0, 10),
    "a strip": lambda: _encoded(Image.new("RGB", (1, 60000)), "PNG"),
}
FINE: dict[str, Callable[[], bytes]] = {
    "CMYK": lambda: _encoded(_rgb().convert("CMYK"), "JPEG"),
    "16 bit": lambda: _encoded(Image.fromarray(_pixels(50, 40).astype(np.uint16) * 257), "PNG"),
    "grey": lambda: _encoded(_rgb().convert("L"), "PNG"),
    "one bit": lambda: _encoded(_rgb().convert("1"), "PNG"),
    "palette": lambda: _encoded(_rgb().convert("P"), "PNG"),
    "palette with transparency": lambda: _encoded(_rgb().convert("P"), "PNG", transparency=0),
    "RGBA": lambda: _encoded(Image.fromarray(_pixels(50, 40, 4)), "PNG"),
    "grey with alpha": lambda: _encoded(Image.fromarray(_pixels(50, 40, 2)), "PNG"),
    "one pixel": lambda: _encoded(_rgb(1, 1), "PNG"),
    "one column": lambda: _encoded(_rgb(1, 50), "PNG"),
    "animated gif": lambda: _encoded(_rgb(), "GIF", save_all=True, append_images=[_rgb(40, 50)]),
    "animated webp": lambda: _encoded(_rgb(), "WEBP", save_all=True, append_images=[_rgb(40, 50)]),
    "progressive": lambda: _encoded(_rgb(), "JPEG", progressive=True),
    "another format than its name says": lambda: _encoded(_rgb(), "BMP"),
}
