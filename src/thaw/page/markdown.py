"""Names that others chose, such as those of classes and files, in Markdown."""

import re

SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$:~^&=])")


def plain(text: str) -> str:
    """The text so that Markdown shows it as it is, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))
