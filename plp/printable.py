r"""Names as text that a terminal, a table and a file can take.

A file name on Linux is any bytes. Python keeps what is not valid UTF-8 as lone surrogates, which no
file of text can hold; and control characters in a name would move the cursor, change colours or
forge lines where it is printed. So would marks that turn the direction of writing.
"""

import logging
import re
from collections.abc import Iterable
from typing import Any

_SURROGATES = re.compile("[\ud800-\udfff]")
_DIRECTION = "\u200e\u200f\u202a-\u202e\u2066-\u2069"
_CONTROL = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{_DIRECTION}]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_IN_LINES = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_DIRECTION}]")  # tab and newline are layout


def printable(text: str) -> str:
    r"""Return a name as a line can show it: control characters and surrogates as escapes.

    Example:
        >>> printable('caf\u00e9'), printable('a\x1b[31m\nb'), printable('caf' + chr(0xdce9))
        ('café', 'a\\x1b[31m\\nb', 'caf\\udce9')
    """
    return _SURROGATES.sub(_escaped, _CONTROL.sub(_escaped, text))


def why_not_a_name(text: str) -> str:
    r"""Return why a text cannot name a class or a folder of images; '' if it can.

    Example:
        >>> why_not_a_name('caf' + chr(0xdce9)), why_not_a_name('a\x1bb'), why_not_a_name('café')
        ('is not valid UTF-8', 'has a control character', '')
    """
    if _SURROGATES.search(text):
        return "is not valid UTF-8"
    return "has a control character" if _CONTROL.search(text) else ""


def lines_without_controls(text: str) -> str:
    r"""Return text of several lines for a terminal, with control characters as JSON escapes.

    Example:
        >>> lines_without_controls('one\n\ttwo\x9b') == 'one\n\ttwo' + chr(92) + 'u009b'
        True
    """
    return _IN_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def safe_cell(value: Any) -> Any:
    """Return a value for a cell of CSV that no program takes for a formula.

    Spreadsheets compute a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return, and
    may call other programs to do so. A text of that kind gets an apostrophe in front, which they
    read as "text". Numbers stay numbers, whether they are given as such or as text.

    Example:
        >>> [safe_cell(one) for one in ('=1+1', '-0.5', -0.5, '-a.png', 'a=b', None)]
        ["'=1+1", '-0.5', -0.5, "'-a.png", 'a=b', None]
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    if not value.startswith(_FORMULA):
        return text
    try:
        float(value)
    except ValueError:
        return f"'{text}"
    return text


class PlainStream:
    """A stream of text that lets no control character through but those that lay lines out.

    Names are escaped where they are put into messages; this catches those that were forgotten.

    Args:
        stream: Where the text goes.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text."""
        self._stream.write(lines_without_controls(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        """Return what else the stream has, such as its encoding."""
        return getattr(self._stream, name)


class PlainFormatter(logging.Formatter):
    """Log lines without control characters, for files that will be looked at in a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return lines_without_controls(super().format(record))


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
