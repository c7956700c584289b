"""Names that others chose, such as those of classes and files, in Markdown."""

import re

MARKS = re.compile(r"([!-/:-@\[-`{-~])")  # ASCII punctuation, of which Markdown reads some


def plain(text: str) -> str:
    """The text so that Markdown shows it as it is, on one line."""
    return MARKS.sub(r"\\\1", " ".join(text.split()))
