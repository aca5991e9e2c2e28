"""A line of JSON an epoch, in the work directory of a run."""

import json
import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from plp.checksums import value_digest
from plp.files import write_text
from plp.wording import count

logger = logging.getLogger("plp")


class Lines(NamedTuple):
    """What a file holds.

    Attributes:
        rows: Rows, in order.
        damaged: How many lines are none, beside a last one that a kill has cut off.
    """

    rows: list[dict[str, Any]]
    damaged: int


def read_lines(path: Path) -> Lines:
    """Read a file; there is nothing in one that is not there.

    Raises:
        OSError: if it cannot be read.
    """
    content = path.read_bytes() if path.is_file() else b""
    lines = content.split(b"\n")
    rows = [_parsed(line) for line in lines]
    bad = sum(row is None and bool(line.strip()) for row, line in zip(rows, lines, strict=True))
    cut_off = bool(lines[-1].strip()) and rows[-1] is None
    return Lines([row for row in rows if row is not None], bad - cut_off)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file; none if it is not there. Damaged lines are left out, and counted
    in a warning; one cut off by a kill is left out.
    """
    found = read_lines(path)
    if found.damaged:
        logger.warning(
            "%s of %s damaged: left out", count(found.damaged, "line"),
            f"{path} {'is' if found.damaged == 1 else 'are'}",
        )  # fmt: skip
    return found.rows


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write all rows of a file, atomically."""
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def add_row(path: Path, row: dict[str, Any]) -> None:
    """Add a row."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def drop_repeated(path: Path, epochs_done: int) -> None:
    """Keep the rows of epochs that are done: a resumed run repeats what came after its state.

    A file with damaged lines is kept beside the new one, as `NAME.damaged`.
    """
    if read_lines(path).damaged:
        shutil.copyfile(path, path.with_name(f"{path.name}.damaged"))
    write_rows(path, up_to(read_rows(path), epochs_done))


def up_to(rows: Iterable[dict[str, Any]], epochs: int) -> list[dict[str, Any]]:
    """Return the rows of the first epochs."""
    return [row for row in rows if row["epoch"] <= epochs]


def rows_digest(rows: Sequence[dict[str, Any]]) -> str:
    """Return the digest of rows."""
    return value_digest(list(rows))


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and type(row.get("epoch")) is int else None
