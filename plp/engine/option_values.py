"""Values of config entries as text: read, and written so that they are read back the same."""

from collections.abc import Mapping
from typing import Any

from plp.errors import ConfigError

_OPEN, _CLOSE, _QUOTES = "([", ")]", "'\""
_WORDS = {"true": True, "false": False}


def parse_value(text: str) -> Any:
    r"""Read a value: a number, true, false, None, a list `a,b` or `[a,b]`, a tuple `(a,b)`, a text.

    As mmengine reads it, but a text keeps its spaces, and one in quotes stays as it is.

    Raises:
        ConfigError: for brackets or quotes that do not close, beside a comma.

    Example:
        >>> parse_value("1e-3"), parse_value("none"), parse_value("None"), parse_value("true")
        (0.001, 'none', None, True)
        >>> parse_value("my photos/a.json"), parse_value("'a, b'"), parse_value("[(1, x y), []]")
        ('my photos/a.json', 'a, b', [(1, 'x y'), []])
    """
    plain = text.strip()
    if len(plain) > 1 and plain[0] == plain[-1] and plain[0] in _QUOTES:
        return plain[1:-1]
    place = _OPEN.find(plain[:1] or " ")
    if place >= 0 and plain[-1] == _CLOSE[place]:
        values = [parse_value(part.strip()) for part in _split(plain[1:-1])]
        return tuple(values) if plain[0] == "(" else values
    if "," in plain:
        return [parse_value(part.strip()) for part in _split(plain)]
    return _atom(text)


def option_words(options: Mapping[str, Any]) -> list[str]:
    """Return options as `--cfg-options` takes them.

    Example:
        >>> option_words({'data.views': 1, 'a': [1, (2.5, True)], 'b': None})
        ['data.views=1', 'a=[1,(2.5,True)]', 'b=None']
        >>> option_words({'file': 'my photos/a.json', 'name': '12', 'both': ['a, b']})
        ['file=my photos/a.json', "name='12'", "both=['a, b']"]
    """
    return [f"{key}={_value(value)}" for key, value in options.items()]


def _atom(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    plain = text.strip()
    return None if plain == "None" else _WORDS.get(plain.lower(), text)


def _split(text: str) -> list[str]:
    """Return what stands between the commas outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote or (letter in _QUOTES and not parts[-1].strip()):
            quote = "" if letter == quote else quote or letter
        depth += 0 if quote else (letter in _OPEN) - (letter in _CLOSE)
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
        if depth < 0:
            break
    if depth or quote:
        raise ConfigError(
            f"expected brackets and quotes that close, got {text!r}. A text with a comma in it "
            f"stands in quotes: KEY=\"'...'\""
        )
    return parts if parts[-1].strip() else parts[:-1]


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        left, right = "[]" if isinstance(value, list) else "()"
        return left + ",".join(map(_value, value)) + right
    text = str(value)
    plain = 0 < len(text) == len(text.strip()) and "," not in text and parse_value(text) == value
    return text if plain or not isinstance(value, str) else f"'{text}'"
