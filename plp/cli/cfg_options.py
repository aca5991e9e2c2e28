"""The flag --cfg-options: entries of the config as text."""

import argparse
from typing import Any

from plp.errors import ConfigError

_OPEN, _CLOSE, _QUOTES = "([", ")]", "'\""
_WORDS = {"true": True, "false": False}


class CfgOptions(argparse.Action):
    """Collects KEY=VALUE into a dict; refuses what has no KEY, no `=` or no VALUE."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the options to those of earlier flags."""
        found = dict(getattr(namespace, self.dest, None) or {})
        for option in values:
            key, equals, value = option.partition("=")
            if not equals or not all(part.strip() for part in key.split(".")):
                raise ConfigError(
                    f"{option_string}: expected KEY=VALUE, such as data.batch_size=8, "
                    f"got {option!r}"
                )
            if not value.strip():
                raise ConfigError(
                    f"{option_string}: expected a value, got {option!r}. Is a variable of the "
                    f"shell unset? An empty text is {key}=\"''\", nothing is {key}=None"
                )
            found[key] = parse_value(value)
        setattr(namespace, self.dest, found)


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
