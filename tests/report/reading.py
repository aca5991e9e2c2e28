"""Reading a report back: is it whole, and what does it hold?"""

from html.parser import HTMLParser

VOID = {"br", "img", "link", "meta", "wbr"}
LOADING = {"src", "href", "srcset", "data", "action", "poster", "background"}  # attributes


class Page(HTMLParser):
    """A parsed report.

    Attributes:
        images: Attributes of each image.
        links: Targets of all links.
        loaded: Whatever a browser would load.
        ids: All anchors.
        text: All text outside style sheets, joined.
        problems: Tags that do not match.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.images, self.links, self.loaded, self.ids, self.problems = [], [], [], [], []
        self.tags, self._words, self._open = set(), [], []
        self.feed(text)
        self.close()
        self.problems += [f"<{name}> is not closed" for name in self._open]
        self.text = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.add(tag)
        if len(found) != len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")
        if tag not in VOID:
            self._open.append(tag)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "img":
            self.images.append(found)
        if tag == "a":
            self.links.append(found["href"])
        else:
            self.loaded += [found[key] for key in LOADING & found.keys()]

    def handle_endtag(self, tag):
        if tag in VOID or not self._open or self._open.pop() != tag:
            self.problems.append(f"</{tag}> closes something else")

    def handle_data(self, data):
        if not {"style", "script"} & {*self._open}:
            self._words.append(data)


def check(text: str) -> Page:
    """Return a page after checking what every report must be."""
    page = Page(text)
    assert page.problems == []
    assert text.startswith('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">')
    assert "Content-Security-Policy" in text
    assert len(page.ids) == len(set(page.ids))
    assert all(link[1:] in page.ids for link in page.links if link.startswith("#"))
    assert all(target.startswith("data:") for target in page.loaded), "nothing is fetched"
    assert not {"script", "iframe", "object", "embed", "form", "base"} & page.tags
    assert "url(" not in text
    assert "@import" not in text
    for image in page.images:
        assert image["alt"]
        assert int(image["width"]) > 0
        assert int(image["height"]) > 0
    return page
