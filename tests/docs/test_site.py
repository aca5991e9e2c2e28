"""The site builds without a warning, is whole, and fetches nothing from other machines."""

import importlib
import importlib.util
import os
import re
import subprocess
import sys

import pytest
from built_site import Broken, broken, fetched_elsewhere, read

from plp.registry import COMPONENTS

NEEDED = ("mkdocs", "material", "mkdocstrings")
MISSING = [name for name in NEEDED if not importlib.util.find_spec(name)]
MUST_BE = (
    "index", "concepts", "components", "reproduce", "performance", "methods/index", "datasets",
    "results/index", "predict", "build_your_own_method", "architecture", "changelog", "api/index",
    "api/plp", "api/plp.aligners", "api/plp.structures", "examples/custom_component",
)  # fmt: skip
needs_mkdocs = pytest.mark.skipif(
    bool(MISSING), reason=f'{", ".join(MISSING)} not installed: pip install -e ".[docs]"'
)
built_once = [needs_mkdocs, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def built(root, tmp_path_factory):
    """The folder of the built site, and what the build said."""
    folder = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=root, capture_output=True, text=True, check=False,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"},
    )  # fmt: skip
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    return folder, said


class TestSite:
    pytestmark = built_once

    def test_builds_without_a_warning(self, built):
        _, said = built
        assert "Documentation built" in said
        assert not re.findall(r"(?i)warning|error|deprecat", said), said

    def test_the_pages_that_must_be_there(self, root, built):
        site, _ = built
        methods = [path.parent.name for path in root.glob("configs/*/README.md")]
        assert len(methods) > 10
        for page in (*MUST_BE, *(f"methods/{method}" for method in methods)):
            assert (site / f"{page}.html").is_file(), page

    def test_every_page_of_docs_is_in_the_navigation(self, root, built):
        site, _ = built
        links = read(site)[site / "index.html"].links
        for source in (root / "docs").glob("*.md"):
            assert f"{source.stem}.html" in links, source

    def test_nothing_is_fetched_from_elsewhere(self, built):
        assert fetched_elsewhere(built[0]) == []

    def test_every_link_leads_somewhere(self, built):
        assert len(read(built[0])) > 50
        assert list(broken(built[0])) == []

    def test_every_component_has_an_entry_in_the_api(self, built):
        site, _ = built
        pages = read(site)
        listed = pages[site / "components.html"].links
        for registry in COMPONENTS.values():
            for name in registry.names():
                component = registry.module_dict[name]
                if not component.__module__.startswith("plp."):
                    continue
                own = component.__name__  # a function is registered under a name like a class's
                (target,) = {link for link in listed if link.endswith(f".{own}")}
                file, _, anchor = target.partition("#")
                assert file.startswith("api/"), target
                assert anchor in pages[site / file].ids, target


def test_what_is_fetched_or_broken_is_noticed(tmp_path):
    (tmp_path / "a.html").write_text(
        '<link href="a.css"><script src="//cdn.org/x.js"></script><img src="no.png">'
        '<a href="b.html#there">x</a><a href="b.html#gone">y</a><a href="https://x.org">z</a>'
        '<a href="data:,">d</a>'
    )
    (tmp_path / "b.html").write_text('<p id="there" style="background: url(\'http://x/y\')">')
    (tmp_path / "a.css").write_text("@import 'https://fonts.org/f.css'; a {src: url(data:x)}")
    assert sorted(fetched_elsewhere(tmp_path)) == [
        Broken("a.css", "https://fonts.org/f.css"),
        Broken("a.html", "//cdn.org/x.js"),
        Broken("b.html", "http://x/y"),
    ]
    assert sorted(broken(tmp_path)) == [Broken("a.html", "b.html#gone"), Broken("a.html", "no.png")]


@needs_mkdocs
def test_patterns_of_the_navigation(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "docs/hooks"))
    nav = importlib.import_module("nav")
    given = [{"A": ["index.md", "own_*.md"]}, {"B": ["b.md", "*.md", "in/*.md"]}, {"C": "c.md"}]
    assert nav.named(given) == {"index.md", "own_*.md", "b.md", "*.md", "in/*.md", "c.md"}
    rest = ["a.md", "in/x.md", "own_x.md", "in/deep/y.md"]
    assert nav.expanded(given, rest) == [
        {"A": ["index.md", "own_x.md"]}, {"B": ["b.md", "a.md", "in/x.md"]}, {"C": "c.md"}
    ]  # fmt: skip
    assert rest == ["in/deep/y.md"], "left out, which MkDocs warns of"


@needs_mkdocs
def test_links_out_of_docs_are_mapped(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "docs/hooks"))
    pages = importlib.import_module("pages")
    said = "[m](configs/sotglp/README.md#x) `[m](docs/report.md)` [here](#y) [no](gone.md)"
    assert pages.mapped(root, "README.md", said) == said.replace(
        "configs/sotglp/README.md#x", "methods/sotglp.md#x"
    )
    assert pages.mapped(root, "configs/sotglp/README.md", "[d](../../docs/transport.md)") == (
        "[d](../transport.md)"
    )
    assert pages.mapped(root, "docs/protocols.md", "[k](../plp/registry.py)") == (
        "[k](source/plp/registry.py.md)"
    )
