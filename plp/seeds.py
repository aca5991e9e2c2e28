"""Which numbers are seeds."""

from typing import Any

from plp.errors import ConfigError

LARGEST = 2**32 - 1  # numpy takes no larger one


def check_seed(seed: Any, what: str = "a seed") -> int:
    """Return a seed that every generator takes: Python's, numpy's and torch's.

    Args:
        seed: What was given.
        what: What it is called in the message.

    Raises:
        ConfigError: if it is no integer from 0 to 2**32 - 1.

    Example:
        >>> check_seed(-1)
        Traceback (most recent call last):
        ...
        plp.errors.ConfigError: expected a seed to be an integer from 0 to 4294967295, got -1
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST:
        raise ConfigError(f"expected {what} to be an integer from 0 to {LARGEST}, got {seed!r}")
    return seed
