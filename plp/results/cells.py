"""Cells of tables, and which of a column is the best."""

from collections.abc import Sequence
from typing import NamedTuple


class Value(NamedTuple):
    """A number in a cell.

    Attributes:
        mean: The number.
        std: What stands behind ±, if anything.
        remark: Said in brackets behind it, such as '2 seeds'.
        best: Whether it is the best of its column.
        other_code: Whether a dagger marks it.
        digits: Decimal places.
        seeds: Number of seeds it is a mean of; 0 where that is not one number.
        other_images: Whether it is of another number of test images than the rest of its column.
    """

    mean: float
    std: float | None = None
    remark: str = ""
    best: bool = False
    other_code: bool = False
    digits: int = 1
    seeds: int = 0
    other_images: bool = False

    @property
    def text(self) -> str:
        """The number and its deviation, without dagger and remark."""
        spread = "" if self.std is None else f" ± {self.std:.{self.digits}f}"
        return f"{self.mean:.{self.digits}f}{spread}"


Cell = Value | str | None  # None: missing


class Table(NamedTuple):
    """A table.

    Attributes:
        title: What it shows.
        header: Names of the columns; the first is the one of the row names.
        rows: Cells, as many a row as the header has; the first is the name of the row.
        notes: What must be known to read it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


def mark_best(column: Sequence[Value | None]) -> list[Value | None]:
    """Mark the highest number of a column; numbers that read the same are best together.

    Only means of as many seeds as the most-seeded of the column take part: a mean of one seed lies
    far from that of three by chance alone. Means of other test images take no part at all. Nothing
    is marked where nothing can be compared.

    Example:
        >>> [v.best for v in mark_best([Value(61.04), Value(60.96), Value(60.0)])]
        [True, True, False]
        >>> of_three = [Value(61.0, seeds=3), Value(60.0, seeds=3)]
        >>> [v.best for v in mark_best([Value(70.0, seeds=1), *of_three])]
        [False, True, False]
    """
    values = [value for value in column if value is not None and not value.other_images]
    most = max((value.seeds for value in values), default=0)
    shown = [round(value.mean, value.digits) for value in values if value.seeds == most]
    if len(shown) < 2:
        return list(column)
    return [
        value
        and value._replace(
            best=value.seeds == most
            and not value.other_images
            and round(value.mean, value.digits) == max(shown)
        )
        for value in column
    ]
