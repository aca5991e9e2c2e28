"""Markup from Python: what is text stays text, what comes out is balanced."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import Page, check

from plp.report.html import Html, breakable, join, tag
from plp.report.page import POLICY, Section, page
from plp.report.tables import bar, facts, grid, heat, number, result_table
from plp.results import Table, Value

texts = st.text(st.characters(exclude_characters="\x00\r", exclude_categories=["Cs"]))


@given(texts, texts)
def test_any_text_comes_back_as_it_was(inner, attribute):
    found = Page(tag("p", inner, title=attribute) + tag("img", src="data:,", alt=attribute))
    assert found.problems == []
    assert found.text == " ".join(inner.split())
    assert found.images == [{"src": "data:,", "alt": attribute}]


def test_a_name_that_no_encoding_fits_can_be_written():
    assert tag("b", "caf\udce9") == "<b>caf\ufffd</b>"
    assert tag("b", title="caf\udce9 \ud800").encode("utf-8")


def test_markup_is_not_escaped_twice_and_nothing_is_nothing():
    assert join(tag("b", "&"), None, ["<", Html("<hr>")]) == "<b>&amp;</b>&lt;<hr>"
    assert tag("td", "x", class_="a", colspan=2, style=None) == '<td class="a" colspan="2">x</td>'
    assert breakable("a<b/c") == "a&lt;b/<wbr>c"


def test_the_checks_of_these_tests_find_what_is_wrong():
    whole = page("Title", "Lead", [Section("one", "One", tag("p", "text"))], "foot")
    check(whole)
    for broken in (
        whole.replace("</p>", "", 1),
        whole.replace("</main>", "</main></main>"),
        whole.replace('href="#one"', 'href="#two"'),
        whole.replace("text", '<img src="https://example.org/a.png" alt="a" width="1" height="1">'),
        whole.replace("text", "<script>1</script>"),
        whole.replace("Content-Security-Policy", ""),
    ):
        assert broken != whole
        with pytest.raises(AssertionError):
            check(broken)


def test_the_policy_lets_nothing_in_but_data_images_and_styles():
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules == {
        "default-src": "'none'", "img-src": "data:", "style-src": "'unsafe-inline'",
        "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip


def test_tables():
    found = grid(["class", "n", ""], [["<a>", number("1"), bar(35.84)]], "What & why")
    assert Page(found).text == "What & why class n <a> 1"
    assert "--share: 35.8%" in found
    assert re.findall(r"<th [^>]*>", found) == [
        '<th scope="col">', '<th scope="col" class="number">', '<th scope="col">',
        '<th scope="row">',
    ]  # fmt: skip
    assert Page(grid(["a"], [])).problems == []
    assert 'style="--share: 28%"' in heat("3", 0.5, right=True)
    assert Page(facts([("seed", "1"), ("config", tag("code", "a<b"))])).text == "seed 1 config a<b"


def test_tables_of_results_are_those_of_markdown():
    rows = (
        ("my <net>", Value(68.14, 1.26, best=True), "1,234"),
        ("coop", Value(60.0, other_code=True, remark="seed 1"), None),
    )
    found = result_table(Table("16 shots", ("method", "dtd", "learned"), rows, ("A note.",)))
    assert '<b>68.1 ± 1.3</b></td><td class="number">1,234</td>' in found
    assert Page(found).text == (
        "16 shots method dtd learned my <net> 68.1 ± 1.3 1,234 coop 60.0† (seed 1) – A note."
    )
