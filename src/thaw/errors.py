"""The one exception that reaches the user as a message instead of a traceback."""


class ThawError(Exception):
    """Something the user can mend: the rule, what was received, and what to do, in one line."""
