"""Images that cannot be read: found, refused or left out, all of them at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from plp.datasets.base import Item, some
from plp.datasets.images import read_image
from plp.datasets.sampling import FewShot
from plp.errors import DataError

_MOST_NAMED = 20  # files named in one error


def find_unreadable(
    items: Sequence[Item], root: str | Path, workers: int = 4, exif: bool = False
) -> dict[Item, str]:
    """Decode every image once, and return those that cannot be read, each with the reason.

    Args:
        items: The images.
        root: The folder their paths are relative to.
        workers: Threads; decoders let go of Python's lock.
        exif: As the data set will read them.
    """

    def failure(item: Item) -> str:
        try:
            read_image(Path(root) / item.path, exif=exif)
        except DataError as error:
            return str(error)
        return ""

    Image.init()  # all formats at once: PIL loads them on demand, which is not safe in threads
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        return {
            item: message
            for item, message in zip(items, pool.map(failure, items), strict=True)
            if message
        }


def verify_images(
    items: Sequence[Item], root: str | Path, workers: int = 4, exif: bool = False
) -> None:
    """Decode every image once, so that a damaged file is found before training and not in it.

    Args:
        items: The images.
        root: The folder their paths are relative to.
        workers: Threads; decoders let go of Python's lock.
        exif: As the data set will read them.

    Raises:
        DataError: naming the unreadable files (the first 20, and how many there are), each with the
            reason.
    """
    failures = list(find_unreadable(items, root, workers, exif).values())
    if failures:
        named = "\n  ".join(failures[:_MOST_NAMED])
        rest = len(failures) - _MOST_NAMED
        raise DataError(
            f"{len(failures)} of {len(items)} images cannot be read:\n  {named}"
            + (f"\n  and {rest} more" if rest > 0 else "")
            + "\nMend or remove them."
        )


def leave_out_unreadable(few: FewShot, parts: Sequence[str], workers: int = 4) -> FewShot:
    """Return a draw without the images that cannot be read; its notes name them.

    Args:
        few: The draw.
        parts: Which of its parts to look at. Not `train`: its images are the draw.
        workers: Threads; decoders let go of Python's lock.

    Raises:
        DataError: for a part of which no image can be read.
    """
    for part in parts:
        items: tuple[Item, ...] = getattr(few, part)
        broken = find_unreadable(items, few.root, workers)
        if not broken:
            continue
        if len(broken) == len(items):
            raise DataError(
                f"none of the {len(items)} {part} images can be read; {broken[items[0]]}"
            )
        note = (
            f"{few.name}: {len(broken)} of {len(items)} {part} images cannot be read and are left "
            f"out; numbers are of the other {len(items) - len(broken)}: {some([*broken.values()])}"
        )
        kept: dict[str, Any] = {part: tuple(item for item in items if item not in broken)}
        few = few._replace(**kept, notes=(*few.notes, note))
    return few
