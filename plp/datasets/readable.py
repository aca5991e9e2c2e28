"""Images that cannot be read: found, refused or left out, all of them at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from plp.datasets.base import Item, some
from plp.datasets.decoding import Traits, decode_file, glance
from plp.datasets.sampling import FewShot
from plp.errors import DataError
from plp.transforms.pixels import Reading, ValueRange

_MOST_NAMED = 20  # files named in one error
_AS_PUBLISHED = Reading()


class Inspection(NamedTuple):
    """What looking at image files has shown.

    Attributes:
        unreadable: The reason, by image that cannot be read.
        traits: What may make plp read an image otherwise than it was meant, by image that can be
            read.
    """

    unreadable: dict[Item, str]
    traits: dict[Item, Traits]

    @property
    def looked_at(self) -> int:
        """Number of images."""
        return len(self.unreadable) + len(self.traits)


def inspect_images(
    items: Sequence[Item], root: str | Path, workers: int = 4, reading: Reading = _AS_PUBLISHED
) -> Inspection:
    """Decode every image once.

    Args:
        items: The images.
        root: The folder their paths are relative to.
        workers: Threads; decoders let go of Python's lock.
        reading: As the dataset will read them.
    """
    return _inspect(items, root, workers, lambda path: decode_file(path, *reading).traits)


def glance_at(
    items: Sequence[Item], inspection: Inspection, root: str | Path, workers: int = 4
) -> Inspection:
    """Add to an inspection what the headers of further images say; only deep ones are decoded.

    Whether they can be read is not asked.
    """
    known = inspection.traits.keys() | inspection.unreadable.keys()
    found = _inspect([item for item in items if item not in known], root, workers, glance)
    return inspection._replace(traits={**inspection.traits, **found.traits})


def _inspect(
    items: Sequence[Item], root: str | Path, workers: int, look: Callable[[Path], Traits]
) -> Inspection:
    def traits(item: Item) -> Traits | str:
        try:
            return look(Path(root) / item.path)
        except DataError as error:
            return str(error)

    Image.init()  # all formats at once: PIL loads them on demand, which is not safe in threads
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        found = dict(zip(items, pool.map(traits, items), strict=True))
    return Inspection(
        {item: one for item, one in found.items() if isinstance(one, str)},
        {item: one for item, one in found.items() if not isinstance(one, str)},
    )


def find_unreadable(
    items: Sequence[Item],
    root: str | Path,
    workers: int = 4,
    exif: bool = False,
    value_range: ValueRange | None = None,
) -> dict[Item, str]:
    """Decode every image once, and return those that cannot be read, each with the reason.

    Args:
        items: The images.
        root: The folder their paths are relative to.
        workers: Threads; decoders let go of Python's lock.
        exif: As the dataset will read them.
        value_range: Likewise.
    """
    return inspect_images(items, root, workers, Reading(exif, value_range)).unreadable


def verify_images(
    items: Sequence[Item],
    root: str | Path,
    workers: int = 4,
    exif: bool = False,
    value_range: ValueRange | None = None,
) -> None:
    """Decode every image once, so that a damaged file is found before training and not in it.

    Args:
        items: The images.
        root: The folder their paths are relative to.
        workers: Threads; decoders let go of Python's lock.
        exif: As the dataset will read them.
        value_range: Likewise.

    Raises:
        DataError: naming the unreadable files (the first 20, and how many there are), each with the
            reason.
    """
    refuse_unreadable(inspect_images(items, root, workers, Reading(exif, value_range)))


def refuse_unreadable(found: Inspection) -> None:
    """Refuse images of which some cannot be read.

    Raises:
        DataError: as `verify_images`.
    """
    if not found.unreadable:
        return
    failures = list(found.unreadable.values())
    named = "\n  ".join(failures[:_MOST_NAMED])
    rest = len(failures) - _MOST_NAMED
    raise DataError(
        f"{len(failures)} of {found.looked_at} images cannot be read:\n  {named}"
        + (f"\n  and {rest} more" if rest > 0 else "")
        + "\nMend or remove them."
    )


def leave_out_unreadable(
    few: FewShot, parts: Sequence[str], workers: int = 4, reading: Reading = _AS_PUBLISHED
) -> FewShot:
    """Return a draw without the images that cannot be read; its notes name them.

    Args:
        few: The draw.
        parts: Which of its parts to look at. Not `train`: its images are the draw.
        workers: Threads; decoders let go of Python's lock.
        reading: As the dataset will read them.

    Raises:
        DataError: for a part of which no image can be read.
    """
    for part in parts:
        items: tuple[Item, ...] = getattr(few, part)
        broken = inspect_images(items, few.root, workers, reading).unreadable
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
