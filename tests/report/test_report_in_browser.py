"""Reports opened in a real browser: every image loads, nothing is fetched."""

import pytest
from browser import WRITTEN, open_page
from reading import check

from plp.report.leave import NAME

pytestmark = pytest.mark.browser

OUTSIDE = "http://127.0.0.1:9/outside.png"


@pytest.fixture
def text(reported):
    return (reported / NAME).read_text(encoding="utf-8")


def test_every_image_loads_and_nothing_is_fetched(browser, text, tmp_path):
    found = open_page(browser, text, tmp_path)
    assert text.count(WRITTEN) == 1
    assert len(found.widths) == len(check(text).images) > 4
    assert all(width > 0 for width in found.widths)
    assert (found.blocked, found.fetched) == ([], [])
    assert not found.wide


def test_what_the_policy_keeps_out(browser, text, tmp_path):
    spoiled = text.replace("<main>", f'<main><img src="{OUTSIDE}" alt="x">')
    found = open_page(browser, spoiled, tmp_path)
    assert found.blocked == [OUTSIDE]
    assert found.fetched == []
    assert found.widths[0] == 0
    assert all(width > 0 for width in found.widths[1:])


def test_these_tests_see_what_a_page_fetches(browser, text, tmp_path):
    spoiled = text.replace("<main>", f'<main><img src="{OUTSIDE}" alt="x">')
    found = open_page(browser, spoiled.replace(WRITTEN, "img-src * data:"), tmp_path)
    assert found.fetched == [OUTSIDE]
    assert found.widths[0] == 0
