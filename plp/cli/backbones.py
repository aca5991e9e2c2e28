"""The backbones with a short name, a line each: `plp list --backbones`."""

from collections.abc import Sequence

from plp.errors import ConfigError
from plp.wording import count
from plp.zoo import ENTRIES, Entry
from plp.zoo.cached import weights_here
from plp.zoo.mistakes import FULL_NAMES, did_you_mean

HEADER = ("name", "full name", "pixels", "streams", "licence of the weights", "here")


def table(words: Sequence[str] = ()) -> str:
    """Return the backbones that have all of some words in their line or family.

    Raises:
        ConfigError: if none has, with the nearest names.
    """
    rows = [(entry.family, _cells(entry)) for entry in ENTRIES.values()]
    rows = [(family, cells) for family, cells in rows if _has(words, (family, *cells))]
    if not rows:
        raise ConfigError(
            f"no backbone has {' and '.join(map(repr, words))} in its line or family."
            f"{did_you_mean(words[0], ENTRIES)} `plp list --backbones` shows all"
        )
    widths = [max(map(len, column)) for column in zip(HEADER, *(c for _, c in rows), strict=True)]
    lines = [_line(HEADER, widths)]
    for family in dict.fromkeys(family for family, _ in rows):
        lines += ["", family, *(_line(cells, widths) for other, cells in rows if other == family)]
    here = sum(bool(cells[-1]) for _, cells in rows)
    told = f"{count(len(rows), 'backbone')}, weights of {here} in local caches or packages"
    return "\n".join([*lines, "", f"{told}; others are downloaded at first use.", f"{FULL_NAMES}."])


def _cells(entry: Entry) -> tuple[str, ...]:
    name = entry.full_name if entry.arch else entry.type
    pixels = str(entry.image_size or "?")
    place = weights_here(entry)
    here = "" if not place else place if place.startswith("pip") else "cached"
    return entry.name, name, pixels, " ".join(entry.streams), entry.licence, here


def _has(words: Sequence[str], cells: Sequence[str]) -> bool:
    text = " ".join(cells).lower()
    return all(word.lower() in text for word in words)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return ("  " + "  ".join(padded)).rstrip()
