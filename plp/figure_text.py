"""Text of users in figures of matplotlib: drawn as it stands, in a font that has its characters."""

import contextlib
import logging
import warnings
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from plp.wording import count

logger = logging.getLogger("plp")

_OWN_MATH = "$\\mathdefault{"  # what matplotlib itself writes on axes with a scale of powers
_NO_FONT = "Last Resort"  # comes with matplotlib and draws a box for whatever it is asked
_reported: set[str] = set()  # characters without a font that were reported


def literal(figure: Any) -> Any:
    """Return a figure whose texts are drawn letter by letter.

    A dollar sign begins no formula, and characters that the font lacks (Chinese, Korean, Thai, ...)
    are taken from an installed one that has them. What none has is reported once.

    Args:
        figure: A `matplotlib.figure.Figure`; it is changed.
    """
    from matplotlib.text import Text

    texts = [one for one in figure.findobj(Text) if one.get_text()]
    for one in texts:
        if not one.get_text().startswith(_OWN_MATH):
            one.set_parse_math(False)
    foreign = [one for one in texts if not one.get_text().isascii()]
    wanted = {letter for one in foreign for letter in one.get_text() if not letter.isspace()}
    missing = frozenset(wanted - _letters(_default_font()))
    if missing:
        families, lacking = fonts_for(missing)
        for one in foreign:
            one.set_fontfamily([*one.get_fontfamily(), *families])
        _report(lacking)
    return figure


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Keep matplotlib from warning of each missing character: `literal` has reported them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support")
        yield


@cache
def fonts_for(letters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return installed fonts that have characters, and those that none has.

    Args:
        letters: Characters that the font of the figures lacks.
    """
    found, left = [], set(letters)
    for name, path in _installed():
        if not left:
            break
        if has := left & _letters(path):
            found.append(name)
            left -= has
    return tuple(found), frozenset(left)


def _installed() -> Iterator[tuple[str, str]]:
    """Yield names and files of fonts: those made for many scripts first, then new ones."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    yield from sorted(
        {(one.name, one.fname) for one in manager.ttflist if _NO_FONT not in one.name},
        key=lambda font: (not any(word in font[0] for word in ("CJK", "Noto", "Sans")), font),
    )
    known = {one.fname for one in manager.ttflist}  # matplotlib keeps a list; fonts may be newer
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        with contextlib.suppress(Exception):  # whatever a font file is
            manager.addfont(path)
            yield manager.ttflist[-1].name, path


def _default_font() -> str:
    from matplotlib import font_manager

    return str(font_manager.findfont(font_manager.FontProperties()))


@cache
def _letters(path: str) -> frozenset[str]:
    """Return the characters of a font file; none if it cannot be read."""
    from matplotlib import ft2font

    try:
        return frozenset(map(chr, ft2font.FT2Font(path).get_charmap()))
    except (OSError, RuntimeError, ValueError):
        logger.debug("the font %s cannot be read", Path(path).name)
        return frozenset()


def _report(lacking: Collection[str]) -> None:
    new = sorted(set(lacking) - _reported)
    _reported.update(new)
    if new:
        logger.warning(
            "%s of names in pictures are in no installed font and are drawn as boxes, such as %s. "
            "Install a font that has them: apt-get install fonts-noto-cjk, or fonts-noto for other "
            "scripts",
            count(len(new), "character"), " ".join(new[:5]),
        )  # fmt: skip
