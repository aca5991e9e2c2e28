"""Markup from Python: text is escaped when it enters, so that no class name can become a tag."""

import re
from collections.abc import Iterable
from html import escape
from typing import Any

_SURROGATES = re.compile("[\ud800-\udfff]")  # what Python makes of bytes that are no UTF-8
_VOID = {"br", "img", "link", "meta", "wbr"}  # elements without an end tag


class Html(str):
    """Markup; any other string is text, and is escaped where it is put into markup."""

    __slots__ = ()


Child = str | Iterable[Any] | None  # text, markup, several of them, nothing


def tag(name: str, /, *children: Child, **attributes: object) -> Html:
    """Return an element.

    Args:
        name: Of the element.
        children: Text, markup, or iterables of them; None is nothing.
        attributes: Written with hyphens for underscores, without an underscore at the end (as in
            `class_`); those that are None are left out.

    Example:
        >>> tag('p', 'R&D ', tag('b', '<new>'), class_='note')
        '<p class="note">R&amp;D <b>&lt;new&gt;</b></p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(readable(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """Return children one behind the other, text escaped.

    Example:
        >>> join('a < b', [tag('br'), None, 'c'])
        'a &lt; b<br>c'
    """
    return Html("".join(map(_markup, children)))


def breakable(path: str) -> Html:
    """Return a path that may be broken behind its slashes.

    Example:
        >>> breakable('a/b')
        'a/<wbr>b'
    """
    first, *rest = path.split("/")
    return join(first, (["/", tag("wbr"), part] for part in rest))


def readable(text: str) -> str:
    """Return text that can be written as UTF-8: a file name may hold any bytes.

    Example:
        >>> readable('caf' + chr(0xdce9)) == 'caf' + chr(0xfffd)
        True
    """
    return _SURROGATES.sub("\ufffd", text)


def _markup(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return escape(readable(child))
    return join(*child)
