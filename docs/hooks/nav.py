"""MkDocs hook: patterns in the navigation stand for the pages that it does not name."""

from fnmatch import fnmatchcase
from typing import Any

from mkdocs.plugins import event_priority


def named(nav: Any) -> set[str]:
    """Return the pages and patterns that a navigation, or a part of one, lists."""
    if isinstance(nav, str):
        return {nav}
    parts = nav.values() if isinstance(nav, dict) else nav
    return {name for part in parts for name in named(part)}


def expanded(nav: Any, rest: list[str]) -> Any:
    """Return the navigation with each pattern replaced by those of `rest` it matches, in order.

    They are taken out of `rest`: the first pattern that matches a page has it. A `*` does not reach
    into a folder; a section must be a list for patterns to stand in it.
    """
    if isinstance(nav, dict):
        return {title: expanded(part, rest) for title, part in nav.items()}
    if isinstance(nav, str):
        return nav
    items = []
    for part in nav:
        if isinstance(part, str) and "*" in part:
            taken = [page for page in rest if _matches(page, part)]
            rest[:] = [page for page in rest if page not in taken]
            items += taken
        else:
            items.append(expanded(part, rest))
    return items


def _matches(page: str, pattern: str) -> bool:
    return page.count("/") == pattern.count("/") and fnmatchcase(page, pattern)


@event_priority(-100)  # after the hooks that add pages
def on_files(files: Any, config: Any) -> Any:
    """Expand the patterns once all pages are known."""
    listed = named(config.nav)
    pages = [file.src_uri for file in files.documentation_pages()]
    rest = [page for page in pages if page not in listed]
    config.nav = expanded(config.nav, rest)
    return files
