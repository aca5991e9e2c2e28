"""Finding a dataset's folder under the data root, and saying where it is instead."""

from pathlib import Path

from plp.datasets.base import some
from plp.errors import DataError


def find_folder(name: str, root: str | Path, folder: str) -> Path:
    """Return `root/folder`.

    Args:
        name: Name of the dataset, for messages.
        root: The data root: the folder above the datasets.
        folder: The dataset's folder, as CoOp calls it.

    Raises:
        DataError: if it is not there; a root one level too high or too low is named with the right
            one.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{name}: no such folder: {str(root)!r}. Expected the one above {folder}/")
    if (root / folder).is_dir():
        return root / folder
    right = right_roots(root, folder)
    if right and right[0] in root.resolve().parents:
        raise DataError(
            f"{name}: the data root {str(root)!r} is too low, it is {folder}/ or in it. Give "
            f"the folder above: --data-root {right[0]}"
        )
    if right:
        raise DataError(
            f"{name}: the data root {str(root)!r} is one level too high, {folder}/ is in "
            f"{some([str(path) for path in right])}. Give that: --data-root {right[0]}"
        )
    there = sorted(path.name for path in root.iterdir() if path.is_dir())
    raise DataError(
        f"{name}: no folder {folder}/ in the data root {str(root)!r}, which has "
        f"{some(there) or 'no folder'}. A link of that name to where it lies will do; the layout "
        "of every dataset is in docs/datasets.md"
    )


def right_roots(root: Path, folder: str) -> list[Path]:
    """Return the data roots that may have been meant where `folder` is not in `root`.

    That is the one above, where `root` is the folder or lies in it; else those one level below.
    """
    inside = root.resolve()
    for parent in inside.parents:
        if (parent / folder).is_dir() and (parent / folder) in (inside, *inside.parents):
            return [parent]
    return sorted(path.parent for path in root.glob(f"*/{folder}") if path.is_dir())


def find_images(name: str, base: Path, images: str) -> Path:
    """Return the image folder of a dataset.

    Raises:
        DataError: if it is not there, with what is.
    """
    if (base / images).is_dir():
        return base / images
    there = sorted(path.name for path in base.iterdir() if path.is_dir())
    raise DataError(
        f"{name}: no image folder {images}/ in {str(base)!r}, which has "
        f"{some(there) or 'no folder'}. Rename it or make a link of that name"
    )
