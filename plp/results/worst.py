"""Values of runs that should be zero, by what the runs have in common."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from plp.results.records import Run

Number = TypeVar("Number", int, float)


def positive_by(
    runs: Sequence[Run], name: Callable[[Run], str], value: Callable[[Run], Number]
) -> dict[str, list[Number]]:
    """Return the values above zero by name, names in the order of their first one.

    Args:
        runs: The runs.
        name: What a run belongs to, such as its method.
        value: What is looked at.
    """
    found: dict[str, list[Number]] = {}
    for run in runs:
        if value(run) > 0:
            found.setdefault(name(run), []).append(value(run))
    return found
