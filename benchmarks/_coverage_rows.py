"""The file of rows that `coverage.py` measured."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import open_clip
from _bench import machine
from _coverage_page import page


def read_rows(path: Path) -> dict[str, dict[str, Any]]:
    """Return rows by arch; none where they are of another open_clip."""
    stored = json.loads(path.read_text()) if path.exists() else {}
    rows = stored["rows"] if stored.get("open_clip") == open_clip.__version__ else []
    return {row["arch"]: row for row in rows}


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write a row per line, in open_clip's order of archs, and replace the file at once."""
    order = {arch: place for place, arch in enumerate(open_clip.list_models())}
    ordered = sorted(rows, key=lambda row: order.get(row["arch"], -1))
    _write(path, ordered, _others(path))


def write_others(path: Path, others: list[dict[str, Any]]) -> None:
    """Write the rows of families beyond open_clip, and keep those of its archs."""
    _write(path, list(read_rows(path).values()), others)


def page_of(path: Path) -> str:
    """Return the page of a file of rows."""
    stored = json.loads(path.read_text())
    archs = open_clip.list_models()
    return page(stored["rows"], stored["others"], archs, stored["open_clip"], stored["machine"])


def _others(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text()).get("others", []) if path.exists() else []


def _write(path: Path, rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    lists = {"rows": rows, "others": others}
    told = [f'"{name}": [\n{_lines(found)}\n]' for name, found in lists.items()]
    head = f'"open_clip": "{open_clip.__version__}", "machine": "{machine(1)}"'
    temporary = path.with_suffix(".tmp")
    temporary.write_text("{" + ",\n".join([head, *told]) + "}\n")
    temporary.replace(path)


def _lines(rows: list[dict[str, Any]]) -> str:
    return ",\n".join(map(json.dumps, rows))
