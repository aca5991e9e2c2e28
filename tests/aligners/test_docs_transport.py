"""Every example of docs/transport.md runs, and every figure it shows is there."""

import doctest
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_examples_of_the_page():
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    page = str(DOCS / "transport.md")
    result = doctest.testfile(page, module_relative=False, encoding="utf-8", optionflags=options)
    assert result.attempted > 20
    assert result.failed == 0


def test_figures_of_the_page():
    figures = re.findall(r"!\[[^]]*\]\(([^)]*)\)", (DOCS / "transport.md").read_text("utf-8"))
    assert len(figures) == 2
    assert all((DOCS / figure).is_file() for figure in figures)
