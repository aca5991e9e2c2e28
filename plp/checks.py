"""What a value of a config, a flag or a keyword may be: one wording for each kind of value.

Each check returns nothing, and raises a ConfigError that says what was expected and what came.
"""

import math
from collections.abc import Collection, Iterable
from typing import Any

from plp.errors import ConfigError


def is_integer(value: object, least: int = 0) -> bool:
    """Return whether a value is an integer of at least `least`; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value: Any, least: float = 0.0) -> bool:
    """Return whether a value is a finite number of at least `least`; true and false are none."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and bool(least <= value < math.inf)


def check_integer(name: str, value: object, least: int = 1, other: str | None = None) -> None:
    """Refuse what is not an integer of at least `least`.

    Args:
        name: What the value is called.
        value: What was given.
        least: The smallest that is allowed.
        other: What is allowed beside it, for the message, such as 'None'.

    Raises:
        ConfigError: such as the one below.

    Example:
        >>> check_integer("--jobs", -1, least=0)
        Traceback (most recent call last):
        ...
        plp.errors.ConfigError: expected --jobs to be an integer >= 0, got -1
    """
    if not is_integer(value, least):
        more = f" or {other}" if other else ""
        raise ConfigError(f"expected {name} to be an integer >= {least}{more}, got {value!r}")


def check_number(name: str, value: object, least: float = 0.0, *, above: bool = False) -> None:
    """Refuse what is not a finite number of at least `least`; above it if `above`.

    Raises:
        ConfigError: such as the one below.

    Example:
        >>> check_number("epsilon", 0.0, above=True)
        Traceback (most recent call last):
        ...
        plp.errors.ConfigError: expected epsilon to be a finite number > 0, got 0.0
    """
    if not is_number(value, least) or (above and value == least):
        sign = ">" if above else ">="
        raise ConfigError(f"expected {name} to be a finite number {sign} {least:g}, got {value!r}")


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Refuse what is not one of a few values.

    Raises:
        ConfigError: such as the one below.

    Example:
        >>> check_choice("deeper", "keep", ("replace", "add"))
        Traceback (most recent call last):
        ...
        plp.errors.ConfigError: expected deeper to be 'replace' or 'add', got 'keep'
    """
    if value not in choices:
        raise ConfigError(f"expected {name} to be {_listed(choices)}, got {value!r}")


def _listed(choices: Iterable[object]) -> str:
    *front, last = map(repr, choices)
    return f"{', '.join(front)} or {last}" if front else last
