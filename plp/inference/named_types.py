"""Which classes a config names: building them runs their code."""

from collections.abc import Iterator, Mapping
from typing import Any


def types_of(section: Any) -> Iterator[str]:
    """Yield the `type` entries of a part of a config, at any depth.

    Example:
        >>> list(types_of({'type': 'A', 'parts': [{'type': 'b.C'}, 1]}))
        ['A', 'b.C']
    """
    if isinstance(section, Mapping):
        if isinstance(section.get("type"), str):
            yield section["type"]
        for value in section.values():
            yield from types_of(value)
    elif isinstance(section, list | tuple):
        for value in section:
            yield from types_of(value)
