"""A line of JSON an epoch, in the work directory of a run."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from plp.files import write_text


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file; none if it is not there. A line cut off by a kill is left out."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [row for row in map(_parsed, lines) if row]


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write all rows of a file, atomically."""
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def add_row(path: Path, row: dict[str, Any]) -> None:
    """Add a row."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def drop_repeated(path: Path, epochs_done: int) -> None:
    """Keep the rows of epochs that are done: a resumed run repeats what came after its state."""
    write_rows(path, [row for row in read_rows(path) if row["epoch"] <= epochs_done])


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "epoch" in row else None
