"""Rows of a table of cases that the default run takes; the others are run with `-m slow`.

Laws are products: of families, laws and methods. Each law and each method keeps a few families that
differ in what the law is about; nothing is left out in `.ci/run`.
"""

from collections.abc import Iterable
from typing import Any

import pytest


def slow_but(kept: Iterable[Any], rows: Iterable[Any]) -> list[Any]:
    """Return all rows as parameters; those that are not kept are marked slow."""
    rows, kept = list(rows), list(kept)
    strange = [row for row in kept if row not in rows]
    if strange or not kept:
        raise ValueError(f"expected some of {rows}, got {strange or kept}")
    return [
        pytest.param(*(row if isinstance(row, tuple) else (row,)), marks=_mark(row in kept))
        for row in rows
    ]


def _mark(kept: bool) -> list[Any]:
    return [] if kept else [pytest.mark.slow]
