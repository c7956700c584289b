"""The token in the environment, whose holders may train."""

import hmac
import os

from thaw.errors import ThawError

TOKEN = "THAW_TOKEN"  # not an option: the list of processes shows those
SHORTEST_TOKEN = 16  # characters


def server_token() -> str | None:
    """The token; None without one, so that nobody may train. ThawError if it is too short."""
    token = os.environ.get(TOKEN)
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise ThawError(
            f"{TOKEN} must have {SHORTEST_TOKEN} characters or more, but has {len(token)}: make "
            "one with `openssl rand -hex 32`, or unset it"
        )
    return token


def is_token(given: str, token: str) -> bool:
    """Whether the two are equal, in a time that says nothing of the token but its length."""
    return hmac.compare_digest(given.encode(), token.encode())
