"""From patches back to the pixels they were cut from: the test transform undone."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from plp.transforms import CropGeometry


class Box(NamedTuple):
    """A rectangle of an image, in pixels from its upper left corner; pixel i covers i to i + 1."""

    left: float
    top: float
    right: float
    bottom: float


def on_image(
    values: Float[np.ndarray, "rows columns"],
    crop: CropGeometry,
    width: int,
    height: int,
    smooth: bool = False,
) -> Float[np.ndarray, "height width"]:
    """Lay a map over patches on the image that the patches were cut from.

    Patches divide the window of `crop` evenly. What the crop left out is NaN: the model has not
    seen it.

    Args:
        values: The map; patches without a value are NaN.
        crop: Geometry of the test transform for this image.
        width: Of the image, or of any scaled copy of it.
        height: Likewise.
        smooth: Interpolate between the centres of patches (bilinear); else each patch is flat.

    Example:
        >>> crop = CropGeometry(resize_width=4, resize_height=2, left=1, top=0, width=2, height=2)
        >>> on_image(np.array([[1.0, 2.0], [3.0, 4.0]]), crop, width=4, height=2)
        array([[nan,  1.,  2., nan],
               [nan,  3.,  4., nan]])
    """
    rows, columns = values.shape
    x = _patch_coordinate(width, crop.resize_width, crop.left, crop.width, columns)
    y = _patch_coordinate(height, crop.resize_height, crop.top, crop.height, rows)
    seen = np.outer((y >= 0) & (y < rows), (x >= 0) & (x < columns))
    if smooth:
        found = _interpolation(y, rows) @ values @ _interpolation(x, columns).T
    else:
        found = values[np.ix_(_inside(np.floor(y), rows), _inside(np.floor(x), columns))]
    return np.where(seen, found, np.nan)


def patch_box(
    patch: int, grid: tuple[int, int], crop: CropGeometry, width: int, height: int
) -> Box:
    """Return where a patch lies in the image that it was cut from.

    Of a patch that reaches into padding it is the part on the image; of one in padding alone
    nothing is left, and the box has no area.

    Args:
        patch: Its number, row by row.
        grid: Rows and columns of patches.
        crop: Geometry of the test transform for this image.
        width: Of the image, or of any scaled copy of it.
        height: Likewise.

    Example:
        >>> crop = CropGeometry(resize_width=4, resize_height=2, left=1, top=0, width=2, height=2)
        >>> patch_box(3, (2, 2), crop, width=40, height=20)
        Box(left=20.0, top=10.0, right=30.0, bottom=20.0)
    """
    row, column = divmod(patch, grid[1])
    across, down = width / crop.resize_width, height / crop.resize_height
    x, y = crop.width / grid[1], crop.height / grid[0]
    left, right = ((crop.left + place * x) * across for place in (column, column + 1))
    top, bottom = ((crop.top + place * y) * down for place in (row, row + 1))
    return Box(
        min(max(left, 0.0), width),
        min(max(top, 0.0), height),
        max(min(right, width), 0.0),
        max(min(bottom, height), 0.0),
    )


def _patch_coordinate(
    pixels: int, resized: int, offset: int, size: int, patches: int
) -> Float[np.ndarray, " pixels"]:
    """Return where the centre of each pixel lies, in patches from the edge of the crop."""
    return ((np.arange(pixels) + 0.5) * resized / pixels - offset) * patches / size


def _inside(index: Float[np.ndarray, " pixels"], patches: int) -> np.ndarray:
    return np.clip(index, 0, patches - 1).astype(int)


def _interpolation(
    coordinate: Float[np.ndarray, " pixels"], patches: int
) -> Float[np.ndarray, "pixels patches"]:
    """Return the weight of each patch at each pixel; flat beyond the outermost centres."""
    place = np.clip(coordinate - 0.5, 0, patches - 1)  # between centres
    return np.maximum(1 - np.abs(place[:, None] - np.arange(patches)), 0)
