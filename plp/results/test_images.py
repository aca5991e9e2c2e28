"""Numbers of test images in tables: they stand there, and cells of another number say so."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from plp.results.cells import Value

ROW = "test images"
NOTE = (
    "Cells that say so are of another number of test images than the rest of their column, and are "
    "not compared with it."
)

Counts = tuple[int, ...]  # the numbers of images that the runs of a cell were tested on, ascending


class Marked(NamedTuple):
    """A column of a table.

    Attributes:
        cells: Cells of another number of images than the usual one say so.
        images: The usual number, for the row of test images; '' where none is known.
    """

    cells: list[Value | None]
    images: str


def counts_of(numbers: Iterable[int | None]) -> Counts:
    """Return the distinct numbers of images of some runs, ascending; without unknown ones."""
    return tuple(sorted({number for number in numbers if number is not None}))


def mark_images(cells: Sequence[Value | None], counts: Sequence[Counts]) -> Marked:
    """Mark cells of another number of images than most of their column; of equals, the larger.

    Example:
        >>> column = mark_images([Value(50.0), Value(60.0), Value(70.0)], [(20,), (20,), (8, 20)])
        >>> [cell.remark for cell in column.cells], column.images
        (['', '', '8 and 20 test images'], '20')
    """
    known = [count for cell, count in zip(cells, counts, strict=True) if cell and count]
    usual = max(known, key=lambda count: (known.count(count), -len(count), count), default=())
    marked = [
        _with_remark(cell, count) if cell and count and count != usual else cell
        for cell, count in zip(cells, counts, strict=True)
    ]
    return Marked(marked, _words(usual))


def notes_on_images(columns: Iterable[Sequence[Value | None]]) -> tuple[str, ...]:
    """Return the note on cells of another number of images, if there are any."""
    other = any(cell and cell.other_images for column in columns for cell in column)
    return (NOTE,) if other else ()


def _with_remark(cell: Value, count: Counts) -> Value:
    said = f"{_words(count)} test images"
    return cell._replace(
        remark=f"{cell.remark}, {said}" if cell.remark else said, other_images=True
    )


def _words(count: Counts) -> str:
    return " and ".join(f"{number:,}" for number in count)
