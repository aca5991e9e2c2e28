"""Class names: what a list of them must be, and how they are read."""

import warnings
from collections import Counter
from collections.abc import Sequence

from plp.errors import ConfigError


def spaced(class_name: str) -> str:
    """Return a class name as it is put into texts: underscores are spaces."""
    return class_name.replace("_", " ")


def checked(class_names: Sequence[str]) -> tuple[str, ...]:
    """Return class names as a tuple.

    Raises:
        ConfigError: for one string, fewer than two names, or two that read alike but differ.
            Names that are equal are a warning.
    """
    names = tuple(class_names)
    if isinstance(class_names, str) or len(names) < 2:
        raise ConfigError(f"expected a list of at least two class names, got {class_names!r}")
    times = Counter(map(spaced, set(names)))
    alike = [name for name in names if times[spaced(name)] > 1]
    if alike:
        raise ConfigError(
            f"expected class names that differ (an underscore is a space), got {alike}"
        )
    if len(set(names)) < len(names):  # CLIP's names of ImageNet have two such pairs
        doubled = sorted(name for name, count in Counter(names).items() if count > 1)
        warnings.warn(
            f"several classes are called {', '.join(map(repr, doubled))}: only prompts of a "
            "class's own can tell them apart",
            stacklevel=3,
        )
    return names
