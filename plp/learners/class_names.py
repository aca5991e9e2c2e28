"""Class names: what a list of them must be, how they are read, and their token embeddings."""

import warnings
from collections import Counter
from collections.abc import Sequence

from plp.errors import ConfigError
from plp.prompts.base import EmbedWords
from plp.prompts.names_in_text import NamesInText
from plp.structures import NameTokens

_SHOWN = 3


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


def places_among(names: Sequence[str], known: Sequence[str]) -> tuple[int | None, ...]:
    """Return where each name stands among known ones, None where it is not among them.

    An underscore is a space, as in prompts. Of two known classes with one name (ImageNet has two
    such pairs) the first is meant, then the second.

    Example:
        >>> places_among(['sea_lion', 'ant', 'fox'], ['ant', 'bee', 'sea lion'])
        (2, 0, None)
        >>> places_among(['bee', 'ant', 'bee'], ['bee', 'ant', 'cat', 'bee'])
        (0, 1, 3)
    """
    index: dict[str, list[int]] = {}
    for i, name in enumerate(known):
        index.setdefault(spaced(name), []).append(i)
    found = (index.get(spaced(name), []) for name in names)
    return tuple((p.pop(0) if len(p) > 1 else p[0]) if p else None for p in found)


def few(names: Sequence[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f", {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more


def name_tokens(class_names: Sequence[str], embed_words: EmbedWords) -> NameTokens:
    """Return the token embeddings of class names, without a graph; lengths are on the CPU.

    Raises:
        ConfigError: for names without words.
    """
    texts = [spaced(name) for name in class_names]
    found = embed_words(texts)
    lengths = found.lengths.cpu()
    empty = [name for name, k in zip(class_names, lengths.tolist(), strict=True) if not k]
    if empty:
        raise ConfigError(f"expected class names with words in them, got {empty}")
    return found._replace(
        embeddings=found.embeddings.detach(), lengths=lengths, start=found.start.detach(),
        end=found.end.detach(), touching=NamesInText(texts, embed_words),
    )  # fmt: skip
