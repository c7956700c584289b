"""The exception that is shown to the user as a message, without traceback."""

from collections.abc import Iterable

MOST_LISTED = 10  # a line stays readable with a thousand classes


class ThawError(Exception):
    """An error that the user can fix. One line: the rule, what was received, what to do."""


def listing(names: Iterable[str]) -> str:
    """The names in a line: the first ten, and how many more; `none` without any."""
    names = list(names)
    more = len(names) - MOST_LISTED
    shown = names[:MOST_LISTED] + ([f"{more} more"] if more > 0 else [])
    return ", ".join(shown) or "none"
