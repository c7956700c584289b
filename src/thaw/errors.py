"""The exception that is shown to the user as a message, without traceback."""


class ThawError(Exception):
    """An error that the user can fix. One line: the rule, what was received, what to do."""
