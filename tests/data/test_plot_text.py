"""Every class name is drawn: in DejaVu Sans, in an installed font, or as an escape."""

import logging

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from thaw.data.image_grid import write_image_grid
from thaw.data.plot_text import drawable, fonts_for, shorten

RARE = "\ue7a1"  # private use; no font has it but the one made here
GREY = np.full((20, 20, 3), 128, np.uint8)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A font with the character RARE and a box for it, beside the installed ones."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in ((0, 700), (700, 700), (700, 0)):
        pen.lineTo(point)
    pen.closePath()
    font = FontBuilder(1000)
    font.setupGlyphOrder([".notdef", "box"])
    font.setupCharacterMap({ord(RARE): "box"})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "box": pen.glyph()})
    font.setupHorizontalMetrics({".notdef": (800, 0), "box": (800, 0)})
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Rare", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(tmp_path / "rare.ttf")
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", list(manager.ttflist))
    manager.addfont(tmp_path / "rare.ttf")


def test_what_dejavu_covers_is_drawn_in_it():
    text = "Cat, Été · Ж 😀 …"
    assert drawable(text) == text and fonts_for([text]) == ["DejaVu Sans"]


def test_what_no_font_covers_is_escaped_and_said_once(caplog):
    names = ["\ue7b1\ue7b2 one", "Cat \ue7b1"]
    with caplog.at_level(logging.WARNING, "thaw"):
        assert fonts_for(names) == ["DejaVu Sans"]
    assert drawable(names[1]) == r"Cat \ue7b1" and drawable("\U0010fffd") == r"\U0010fffd"
    [line] = caplog.messages
    assert r"plots show escapes such as \ue7b1" in line


def test_an_installed_font_draws_what_dejavu_lacks(installed, tmp_path):
    assert fonts_for(["Cat", RARE]) == ["DejaVu Sans", "Rare"] and drawable(RARE) == RARE
    write_image_grid(tmp_path / "rare.png", f"title {RARE}", [(f"{RARE} cat", [GREY])])
    write_image_grid(tmp_path / "plain.png", "title", [("cat", [GREY])])
    assert (tmp_path / "rare.png").read_bytes() != (tmp_path / "plain.png").read_bytes()
    assert matplotlib.rcParams["font.family"] == ["sans-serif"]


def test_a_name_is_shortened_line_by_line():
    assert shorten("old english sheepdog\n99") == "old english s…\n99"
    assert shorten("\ue7b1" * 3) == r"\ue7b1\ue7b1\…"


def test_names_that_cannot_be_drawn_and_a_thousand_rows_make_a_grid(tmp_path):
    rows = [(f"\U0001f9ed 犬 ก {n}, $x", [GREY]) for n in range(1000)]
    write_image_grid(tmp_path / "grid.png", "犬", rows, ["ก"])
    assert (tmp_path / "grid.png").stat().st_size > 10_000
