"""Make names of classes and files drawable: fonts beside DejaVu Sans, escapes, and length."""

import logging
from collections.abc import Iterable
from functools import cache

from matplotlib import font_manager

from thaw.errors import listing

log = logging.getLogger("thaw")

DEFAULT_FONT = "DejaVu Sans"  # ships with matplotlib, so all machines draw the same
BOXES = "Last Resort"  # ships with matplotlib, and draws a box for every character
UPRIGHT = ("normal", "regular", "medium", 400, 500)  # weights
LONGEST = 14  # characters that fit beside an axis


def fonts_for(texts: Iterable[str]) -> list[str]:
    """DejaVu Sans, then the installed fonts that draw what it lacks of `texts`.

    As matplotlib falls back by character, what DejaVu Sans covers is drawn in it. Logs what no
    font draws.
    """
    fonts = {character: _font_of(character) for text in texts for character in text}
    if missing := sorted(character for character, font in fonts.items() if font is None):
        log.warning(
            "no installed font draws %s: plots show escapes such as %s; install a font that does",
            listing(missing), _escape(missing[0]),
        )  # fmt: skip
    further = sorted(set(filter(None, fonts.values())) - {DEFAULT_FONT})
    return [DEFAULT_FONT, *further]


def drawable(text: str) -> str:
    """The text, with an escape such as \\u72d7 for each character that no installed font has."""
    return "".join(c if _font_of(c) else _escape(c) for c in text)


def shorten(text: str) -> str:
    """Make a text drawable, and each of its lines short enough to fit beside an axis."""
    lines = drawable(text).split("\n")
    return "\n".join(line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…" for line in lines)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


@cache
def _font_of(character: str) -> str | None:
    """The first font, of DejaVu Sans and the installed ones by name, that has the character."""
    if character == "\n" or ord(character) in _covered(DEFAULT_FONT):
        return DEFAULT_FONT
    return next((name for name in _installed() if ord(character) in _covered(name)), None)


def _installed() -> list[str]:
    fonts = font_manager.fontManager.ttflist
    upright = {font.name for font in fonts if font.style == "normal" and font.weight in UPRIGHT}
    return sorted(name for name in upright if not name.startswith(BOXES))


@cache
def _covered(name: str) -> frozenset[int]:
    """Code points that the font draws; none if matplotlib cannot read or scale it."""
    try:
        found = font_manager.findfont(font_manager.FontProperties(family=[name]))
        font = font_manager.get_font(found)
    except (OSError, RuntimeError, ValueError):
        return frozenset()
    return frozenset(font.get_charmap()) if font.scalable else frozenset()
