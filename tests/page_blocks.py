"""Code blocks of a page of the documentation, and whether what it shows was printed."""

import re
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


class Block(NamedTuple):
    """A code block: its language and its text."""

    language: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    """Return the code blocks of a page, in their order; each must name its language."""
    text = page.read_text(encoding="utf-8")
    found = _BLOCK.findall(text)
    assert text.count("```") == 2 * len(found), "a block without a language is not checked"
    return [Block(*block) for block in found]


def require_printed(shown: str, printed: str, *, numbers: float) -> None:
    """Require that each line a page shows was printed: its words in any order, its numbers in
    order and within a tolerance.

    `...` alone stands for lines left out. Numbers before or after `second` are times: not compared.
    """
    lines = [_taken_apart(line) for line in printed.splitlines()]
    for line in shown.splitlines():
        if line.strip() in ("", "..."):
            continue
        words, values = _taken_apart(line)
        alike = [found for said, found in lines if said == words]
        assert alike, f"not printed: {line!r}, in:\n{printed}"
        if "second" not in line:
            near = [_are_close(values, found, numbers) for found in alike]
            assert any(near), f"other numbers than in {line!r}: {alike}"


def _taken_apart(line: str) -> tuple[str, list[float]]:
    words = _NUMBER.sub("#", line).replace(",", "").split()
    # Sorted: classes as probable as each other change places between processors.
    return " ".join(sorted(words)), [float(n) for n in _NUMBER.findall(line)]


def _are_close(shown: list[float], printed: list[float], tolerance: float) -> bool:
    pairs = zip(shown, printed, strict=True)
    return all(abs(a - b) <= tolerance * max(1.0, abs(b)) for a, b in pairs)
