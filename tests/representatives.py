"""Rows of a table of cases that the default run takes; the others are run with `-m slow`.

Laws are products: of families, laws and methods. Each law and each method keeps a few families that
differ in what the law is about; nothing is left out in `.ci/run`.
"""

from collections.abc import Iterable
from typing import Any

import pytest


def slow_but(kept: Iterable[str], rows: Iterable[str]) -> list[Any]:
    """Return all rows as parameters; those that are not kept are marked slow."""
    names = list(rows)
    strange = sorted(set(kept) - set(names))
    if strange:
        raise ValueError(f"expected rows of {names}, got {strange}")
    return [pytest.param(name, marks=[pytest.mark.slow] * (name not in kept)) for name in names]
