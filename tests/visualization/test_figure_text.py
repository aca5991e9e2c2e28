"""Names of users in figures: `$` is a dollar sign, foreign letters come from a fitting font."""

import io
import logging
import warnings

import pytest
import torch

from plp import figure_text
from plp.figure_text import drawing, fonts_for, literal
from plp.visualization import draw_score_histograms

pyplot_figure = pytest.importorskip("matplotlib.figure")


def titled(*lines):
    figure = pyplot_figure.Figure()
    axis = figure.subplots()
    axis.set_title("\n".join(lines))
    axis.plot([1, 2], label=lines[0])
    axis.legend()
    return figure


def pixels(figure):
    file = io.BytesIO()
    with drawing():
        figure.savefig(file, format="raw")
    return file.getvalue()


@pytest.mark.parametrize("name", ["cost_$x", "$a_b$ and $c$", "a $\\frac{1}$", "100 % $ \\q $"])
def test_a_dollar_sign_begins_no_formula(name):
    assert pixels(literal(titled(name)))
    figure = literal(titled("$x$", name))
    assert all(
        not text.get_parse_math() for text in figure.findobj(figure_texts) if text.get_text()
    )


def figure_texts(artist):
    return hasattr(artist, "get_parse_math")


def test_names_of_sets_in_histograms():
    scores = torch.arange(20.0)
    figure = draw_score_histograms("MCM", scores, {"$5_ and $6^": scores + 3}, "pay $10 or $20")
    assert pixels(figure)


def test_scales_of_powers_keep_their_ticks():
    figure = titled("loss")
    figure.axes[0].set_yscale("log")
    before = pixels(figure)
    assert pixels(literal(figure)) == before


def test_letters_without_a_font_are_reported_once_and_never_by_matplotlib(caplog, monkeypatch):
    letters = [chr(0x10FF00 + i) for i in range(7)]  # for private use: no font has them
    monkeypatch.setattr(figure_text, "_reported", set())
    caplog.set_level(logging.WARNING, logger="plp")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            assert pixels(literal(titled("".join(letters))))
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("7 characters of names in pictures are in no installed font")
    assert "apt-get install fonts-noto-cjk" in line


def test_letters_come_from_an_installed_font_that_has_them(caplog):
    """Of those that come with matplotlib, STIX has letters that its default font lacks."""
    names, lacking = fonts_for(frozenset(figure_text._letters(_stix()) - _default()))
    assert not lacking
    letter = min(one for one in figure_text._letters(_stix()) - _default() if ord(one) > 0xFFFF)
    plain, drawn = titled(f"class {letter}"), literal(titled(f"class {letter}"))
    (title,) = [text for text in drawn.findobj(figure_texts) if text is drawn.axes[0].title]
    assert set(title.get_fontfamily()) & set(names)
    assert not caplog.records
    assert pixels(drawn) != pixels(plain)


def _default():
    return figure_text._letters(figure_text._default_font())


def _stix():
    from matplotlib import font_manager

    return font_manager.findfont("STIXGeneral")
