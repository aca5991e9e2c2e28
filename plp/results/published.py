"""Published numbers as tables of their own, which never share a column with ours."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from plp.results.cells import Cell, Table, Value
from plp.results.summary import in_order
from plp.results.tables import AVERAGE

DATA = "published.json"
BACKBONE = "ViT-B-16"  # the one all of them are of
_WARNING = (
    "Published by others, nothing here was measured with plp. Harnesses differ by as much as "
    "methods do (drawing of shots, crops, templates, seeds): see the remarks."
)


@cache
def published() -> Mapping[str, Any]:
    """Return the data file: sections `accuracy`, `domain`, `base-to-new` and `ood`."""
    text = resources.files("plp.results").joinpath(DATA).read_text(encoding="utf-8")
    return json.loads(text)


def published_accuracy(datasets: Sequence[str]) -> list[Table]:
    """Return the 16-shot accuracies on some datasets, with the average over eleven.

    Args:
        datasets: Datasets of our table; none of the field's eleven among them gives no table.

    Example:
        >>> (table,) = published_accuracy(['dtd', 'textile'])
        >>> table.header, table.rows[-1][0], table.rows[-1][2].mean
        (('method', 'dtd', 'average of 11', 'source'), 'SOT-GLP', 85.1)
    """
    known = [name for name in published()["accuracy"]["columns"] if name in datasets]
    return [_table("accuracy", [*known, AVERAGE], {AVERAGE: "average of 11"})] if known else []


def published_protocol(name: str) -> list[Table]:
    """Return the published numbers of a protocol, such as 'base-to-new'; none if there are none."""
    return [_table(name)] if name in published() else []


def _table(
    section: str, columns: Sequence[str] | None = None, called: Mapping[str, str] | None = None
) -> Table:
    data = published()[section]
    columns = data["columns"] if columns is None else columns
    places = [data["columns"].index(name) for name in columns]
    sources = in_order(row["source"] for row in data["rows"])
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (row["method"], *(_cell(row["values"][i], _digits(row["values"])) for i in places),
         f"[{sources.index(row['source']) + 1}]")
        for row in data["rows"]
        if any(row["values"][i] is not None for i in places)
    )  # fmt: skip
    header = ("method", *((called or {}).get(name, name) for name in columns), "source")
    listed = "; ".join(f"[{i}] {source}" for i, source in enumerate(sources, start=1))
    remarks = "; ".join(f"{r['method']}: {r['caveat']}" for r in data["rows"] if r["caveat"])
    notes = [_WARNING, data["setting"], f"Sources: {listed}."]
    notes += [f"Remarks. {remarks}."] if remarks else []
    return Table(f"Published: {data['title']}", header, rows, tuple(notes))


def _digits(values: Sequence[Any]) -> int:
    """Return the decimal places a row of numbers was published with, one or two."""
    exact = all(round(value, 1) == value for value in values if isinstance(value, float))
    return 1 if exact else 2


def _cell(value: Any, digits: int) -> Cell:
    if value is None:
        return None
    if isinstance(value, list):
        return " / ".join("–" if one is None else f"{one:.1f}" for one in value)
    return Value(value, digits=digits)
