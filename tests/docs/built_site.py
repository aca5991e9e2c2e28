"""Reading a built site back: what it loads, where it links to."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

LOADING = {"src", "srcset", "data", "poster", "background"}  # of any tag; `href` of <link> only
FROM_CSS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Page(HTMLParser):
    """A page of the site.

    Attributes:
        ids: Its anchors.
        links: Where its links lead.
        loaded: What a browser fetches to show it.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = {key: value or "" for key, value in attrs}
        self.ids |= {found[key] for key in ("id", "name") if key in found}
        if "href" in found:
            (self.loaded if tag == "link" else self.links).append(found["href"])
        self.loaded += [found[key] for key in LOADING & found.keys()]
        self.loaded += style_sources(found.get("style", ""))


class Broken(NamedTuple):
    """A link or a source that leads nowhere."""

    page: str
    target: str


def style_sources(text: str) -> list[str]:
    """Return what a style sheet fetches."""
    return [one or other for one, other in FROM_CSS.findall(text)]


def elsewhere(address: str) -> bool:
    """Whether an address is of another machine (data: and mailto: are not)."""
    parts = urlsplit(address.strip())
    return bool(parts.netloc) or parts.scheme in ("http", "https", "ftp")


def read(site: Path) -> dict[Path, Page]:
    """Return all pages, but for the one of unknown addresses, which nothing links to."""
    pages = sorted(path for path in site.rglob("*.html") if path.name != "404.html")
    return {path: Page(path.read_text(encoding="utf-8")) for path in pages}


def fetched_elsewhere(site: Path) -> list[Broken]:
    """Return what pages and style sheets load from other machines."""
    loaded = {path: page.loaded for path, page in read(site).items()}
    loaded |= {path: style_sources(path.read_text("utf-8")) for path in site.rglob("*.css")}
    return [
        Broken(path.relative_to(site).as_posix(), target)
        for path, targets in loaded.items()
        for target in targets
        if elsewhere(target)
    ]


def broken(site: Path) -> Iterator[Broken]:
    """Yield links and sources within the site that lead to no file, or to no anchor of it."""
    pages = read(site)
    for path, page in pages.items():
        for target in page.links + page.loaded:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            there = file.is_file() and (
                not anchor or file not in pages or anchor in pages[file].ids
            )
            if not there:
                yield Broken(path.relative_to(site).as_posix(), target)
