"""The skeleton of a report: one HTML file that loads nothing and runs nothing."""

from collections.abc import Sequence
from typing import NamedTuple

from plp.report.html import Child, Html, join, tag
from plp.report.style import CSS

# Whatever a report holds, a browser must not fetch anything for it.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)


class Section(NamedTuple):
    """A part of a report.

    Attributes:
        name: Its anchor: lower-case letters and hyphens.
        title: Its heading, and its line in the table of contents.
        body: What stands below the heading.
    """

    name: str
    title: str
    body: Html


def page(title: str, lead: Child, sections: Sequence[Section], foot: str) -> str:
    """Return a whole document.

    Args:
        title: Of the document, and its first heading.
        lead: What stands above the table of contents.
        sections: The parts, in order.
        foot: Last line.

    Example:
        >>> text = page('A < B', 'Short.', [Section('more', 'More', tag('p', 'x'))], 'plp')
        >>> '<h1>A &lt; B</h1>' in text, '<a href="#more">More</a>' in text
        (True, True)
    """
    contents = [tag("li", tag("a", one.title, href=f"#{one.name}")) for one in sections]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("link", rel="icon", href="data:,"),  # else a browser would ask a server for one
        tag("title", title),
        tag("style", Html(CSS)),
    )
    body = tag(
        "body",
        tag("header", tag("h1", title), lead),
        tag("nav", tag("ol", contents), aria_label="Contents"),
        tag("main", map(_section, sections)),
        tag("footer", foot),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, "\n", body, lang="en") + "\n"


def paragraphs(*texts: str) -> Html:
    """Return a paragraph for each text."""
    return join(tag("p", text) for text in texts)


def cards(numbers: Sequence[tuple[str, str]]) -> Html:
    """Return the figures a reader looks for first: (number, what it is)."""
    return tag("div", (tag("div", tag("b", n), tag("span", what), class_="card")
                       for n, what in numbers), class_="cards")  # fmt: skip


def folded(summary: str, *children: Child) -> Html:
    """Return what is shown when its summary is clicked."""
    return tag("details", tag("summary", summary), *children)


def _section(one: Section) -> Html:
    return join(tag("section", tag("h2", one.title), one.body, id=one.name), "\n")
