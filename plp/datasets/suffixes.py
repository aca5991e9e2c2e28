"""Which files are images: by suffix, and only where the installed Pillow decodes the format.

Pillow opens many more formats by content. Some of its plugins hand a file to another program
(EPS to Ghostscript), so that everything outside this list is reported and never opened.
"""

import io
import os
import threading
from functools import cache
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from plp.datasets.format_samples import sample_of

KINDS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "JP2": (".jp2",),
    "J2K": (".j2k",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TGA": (".tga",),
    "QOI": (".qoi",),
}
HEIF = (".heic", ".heif", ".hif")  # where the package pillow-heif is installed
_KIND_OF = {
    suffix: kind for kind, suffixes in KINDS.items() for suffix in suffixes
} | dict.fromkeys(HEIF, "HEIF")
SUFFIXES = tuple(suffix for suffixes in KINDS.values() for suffix in suffixes)

# What plp 0.1 read. Other suffixes make the lists of an old folder longer, which is reported.
FIRST_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
# Images that plp does not read: a folder of these was meant to be a class.
FOREIGN_SUFFIXES = frozenset(
    (*HEIF, ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".raw", ".psd",
     ".svg", ".eps", ".ico", ".jpx", ".jpf", ".j2c", ".jpc", ".heics", ".heifs", ".avifs", ".exr",
     ".dcm", ".fits", ".pcx", ".xcf")
)  # fmt: skip

# Pillow's names of the formats. TGA files have no signature, so that they are tried last.
_FORMATS = ("JPEG", "MPO", "PNG", "BMP", "DIB", "GIF", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000",
            "QOI", "HEIF", "TGA")  # fmt: skip
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_LOCK = threading.Lock()


def suffix_of(name: str) -> str:
    """Return the suffix of a file name in lower case; '' if there is none.

    Example:
        >>> suffix_of('a/IMG.1.JPG'), suffix_of('.jpg'), suffix_of('notes')
        ('.jpg', '', '')
    """
    return os.path.splitext(name)[1].lower()


def is_image(name: str) -> bool:
    """Whether a file of that name is read as an image.

    Example:
        >>> is_image('IMG_1.JFIF'), is_image('drawing.eps')
        (True, False)
    """
    _, dot, suffix = name.rpartition(".")
    return bool(dot) and is_read(f".{suffix.lower()}")


@cache
def is_read(suffix: str) -> bool:
    """Whether files of a suffix are read: it is in the list, and Pillow decodes a sample of it.

    The sample is decoded once per process and format, when a file of that suffix is first met.
    """
    return suffix in _KIND_OF and _decodes(_KIND_OF[suffix])


@cache
def _decodes(kind: str) -> bool:
    if kind == "HEIF":
        _register_heif()
    try:
        with open_image(io.BytesIO(sample_of(kind))) as image:
            image.load()
    except Exception:  # a plugin that is missing or broken raises whatever it likes
        return False
    return True


def open_image(file: str | Path | io.BytesIO) -> Image.Image:
    """Open an image file with Pillow, as one of the formats that plp reads and no other.

    Raises:
        PIL.UnidentifiedImageError: for a file of another format.
        OSError: if it cannot be read.
    """
    if isinstance(file, str | Path) and suffix_of(str(file)) in HEIF:
        _decodes("HEIF")  # registers it, in a worker process too
    try:
        return Image.open(file, formats=_formats())
    except UnidentifiedImageError:
        if isinstance(file, io.BytesIO) or not (holds_heif(file) and _decodes("HEIF")):
            raise
    return Image.open(file, formats=_formats())


def holds_heif(path: str | Path) -> bool:
    """Whether a file begins as HEIC images do, whatever its suffix: some programs rename them."""
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def why_unknown(path: str | Path) -> str:
    """Say why Pillow finds no image in a file."""
    suffix = suffix_of(str(path))
    if (suffix in HEIF or holds_heif(path)) and not _decodes("HEIF"):
        return "HEIC needs the package pillow-heif: install pillow-heif, or convert the image"
    if suffix in SUFFIXES and not is_read(suffix):
        return f"the installed Pillow cannot decode {suffix}"
    return f"not an image that PIL knows, of the formats that plp reads ({', '.join(KINDS)})"


def _formats() -> tuple[str, ...]:
    _load_plugins()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


@cache
def _load_plugins() -> None:
    with _LOCK:  # Pillow loads them on demand, which is not safe in threads
        Image.init()


def _register_heif() -> None:
    try:
        from pillow_heif import register_heif_opener
    except Exception:  # not installed, or its library does not load
        return
    register_heif_opener()
