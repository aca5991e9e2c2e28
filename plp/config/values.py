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
        >>> parse_value("'a','b'"), parse_value("(1,2),(3,4)")
        (['a', 'b'], [(1, 2), (3, 4)])
    """
    plain = text.strip()
    parts = _split(plain) if "," in plain else [plain]
    if len(parts) > 1 or plain.endswith(","):
        return [parse_value(part.strip()) for part in parts]
    if len(plain) > 1 and plain[0] == plain[-1] and plain[0] in _QUOTES:
        return plain[1:-1]
    place = _OPEN.find(plain[:1] or " ")
    if place >= 0 and plain[-1] == _CLOSE[place]:
        values = [parse_value(part.strip()) for part in _split(plain[1:-1])]
        return tuple(values) if plain[0] == "(" else values
    return _atom(text)


def option_words(options: Mapping[str, Any]) -> list[str]:
    r"""Return options as `--cfg-options` takes them, those of a dict by dotted keys.

    A text with both kinds of quotes cannot be said on a command line of these; it stands as it is.

    Example:
        >>> option_words({'data.views': 1, 'a': [1, (2.5, True)], 'b': None, 'c': {'d': 2}})
        ['data.views=1', 'a=[1,(2.5,True)]', 'b=None', 'c.d=2']
        >>> option_words({'file': 'my photos/a.json', 'name': '12', 'both': ['a, b', "it's"]})
        ['file=my photos/a.json', "name='12'", 'both=[\'a, b\',"it\'s"]']
    """
    words = []
    for key, value in options.items():
        if isinstance(value, Mapping) and value:
            words += option_words({f"{key}.{inner}": one for inner, one in value.items()})
        else:
            words.append(f"{key}={_written(value)}")
    return words


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
        begins = parts[-1].strip()[-1:] in ("", ",", *_OPEN)  # of a value, here or within brackets
        if quote or (letter in _QUOTES and begins):
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


def _written(value: Any) -> str:
    if isinstance(value, list | tuple):
        left, right = "[]" if isinstance(value, list) else "()"
        return left + ",".join(map(_written, value)) + right
    text = str(value)
    if not isinstance(value, str) or _is_plain(text):
        return text
    quote = next((one for one in "'\"" if one not in text), "'")
    return f"{quote}{text}{quote}"


def _is_plain(text: str) -> bool:
    """Whether a text is read back the same without quotes, within a list too."""
    special = {*_OPEN, *_CLOSE, *_QUOTES, ","}
    return 0 < len(text) == len(text.strip()) and special.isdisjoint(text) and _atom(text) == text
