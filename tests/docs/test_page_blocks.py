"""What is said of a page's blocks: a page that shows what was not printed is found out."""

import pytest
from page_blocks import blocks_of, require_printed

PRINTED = "epoch 3: loss 0.412\ntest accuracy 91.7 % of 12 images\n9.5 images per second\n"


def test_shown_lines_are_found():
    require_printed("...\ntest   accuracy 91.6 % of 12 images\n", PRINTED, numbers=0.01)
    require_printed("2.0 images per second", PRINTED, numbers=0.01)  # another machine


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ("test accuracy 81.7 % of 12 images", "other numbers than in"),
        ("accuracy 91.7 % of 12 images", "not printed"),
        ("test accuracy 91.7 %", "not printed"),
    ],
)
def test_what_was_not_printed_is_found_out(shown, why):
    with pytest.raises(AssertionError, match=why):
        require_printed(shown, PRINTED, numbers=0.01)


def test_a_block_without_a_language_is_found_out(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```bash\nls\n```\n", encoding="utf-8")
    assert blocks_of(page) == [("bash", "ls\n")]
    page.write_text("```\nls\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="without a language"):
        blocks_of(page)
