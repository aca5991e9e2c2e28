"""What is wrong with a TIFF that Pillow does not know, as far as its header tells."""

from pathlib import Path
from typing import Any

from PIL import TiffImagePlugin

_WIDTH, _BITS, _PHOTOMETRIC, _CHANNELS, _FORMAT = 256, 258, 262, 277, 339
_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # + is BigTIFF
_FORMATS = {1: "unsigned", 2: "signed", 3: "float", 5: "complex", 6: "complex"}


def describe_raster(path: str | Path) -> str | None:
    """Return what a TIFF holds that no image of three colours is, and what to do; None for others.

    Satellite and microscope rasters have a channel per band or stain, which Pillow does not decode.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(16)
            if start[:4] not in _STARTS:
                return None
            big = start[2:3] == b"+" or start[3:4] == b"+"
            tags: Any = TiffImagePlugin.ImageFileDirectory_v2(start if big else start[:8])
            file.seek(tags.next)
            tags.load(file)
            channels, bits, kind = (
                _first(tags, _CHANNELS, 1),
                _first(tags, _BITS, 1),
                tags.get(_FORMAT),
            )
    except Exception:  # damaged in any way: Pillow's own reason is as good
        return None
    kind = kind[0] if isinstance(kind, tuple) and kind else kind
    named = f"{bits} bits {_FORMATS.get(kind or 1, 'of an unknown kind')}"
    if channels in (1, 3, 4):
        return (
            f"a TIFF that PIL cannot read ({channels} channels, {named}, photometric "
            f"{tags.get(_PHOTOMETRIC)}). Convert it to 8-bit RGB or grey"
        )
    return (
        f"a raster of {channels} channels ({named}), expected grey or RGB. Write the three to be "
        "seen as red, green and blue to 8-bit RGB images (of Sentinel-2 bands 4, 3 and 2; "
        "docs/datasets.md shows how), or take the RGB version of the dataset"
    )


def _first(tags: Any, number: int, default: int) -> int:
    value = tags.get(number, default)
    return int(value[0] if isinstance(value, tuple) else value)
