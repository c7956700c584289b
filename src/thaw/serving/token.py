"""The token in the environment, whose holders may train."""

import hmac
import os
import re

from thaw.errors import ThawError

TOKEN = "THAW_TOKEN"  # not an option: the list of processes shows those
SHORTEST_TOKEN = 16  # characters
HEADER_VALUE = re.compile("[!-~](?:[ -~]*[!-~])?")  # that arrives as it was sent


def server_token() -> str | None:
    """The token; None without one, so that nobody may train.

    Raises ThawError if it is too short, or a header cannot carry it.
    """
    token = os.environ.get(TOKEN)
    if token is None:
        return None
    if len(token) < SHORTEST_TOKEN:
        found = str(len(token))
    elif not HEADER_VALUE.fullmatch(token):
        found = "others, or a space at an end"
    else:
        return token
    raise ThawError(
        f"{TOKEN} must have {SHORTEST_TOKEN} characters or more, of ASCII, but has {found}: make "
        "one with `openssl rand -hex 32`, or unset it"
    )


def is_token(given: str, token: str) -> bool:
    """Whether the two are equal, in a time that says nothing of the token but its length."""
    return hmac.compare_digest(given.encode(), token.encode())
