"""What routes for the holder of the token have in common: the token, and JSON."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, request
from werkzeug.exceptions import BadRequest

from thaw.serving.errors import api_error
from thaw.serving.token import is_token

SCHEME = "Bearer "


def token_blueprint(name: str, token: str) -> Blueprint:
    """A blueprint whose routes answer 401 unless the request has the token.

    It comes as `Authorization: Bearer …` and is compared in constant time.
    """
    if not token:
        raise ValueError("a blueprint with an empty token would be open to all")
    blueprint = Blueprint(name, __name__)

    @blueprint.before_request
    def check() -> None:
        given = request.headers.get("Authorization", "")
        if not is_token(given, SCHEME + token):
            raise api_error(
                "unauthorized",
                "the header Authorization must be `Bearer` and the server's token",
                {"WWW-Authenticate": "Bearer"},
            )

    return blueprint


def json_object(fields: Mapping[str, type]) -> dict[str, Any]:
    """The JSON object in the body of the request, with these fields and no others; all optional.

    Raises ApiError if it is none, or a field has another type.
    """
    if not request.is_json:
        raise api_error("unsupported_media_type", "the Content-Type must be application/json")
    try:
        content = request.get_json()
    except (BadRequest, RecursionError):
        raise api_error("bad_json", "the body must be JSON, but is not") from None
    if not isinstance(content, dict):
        raise api_error("wrong_fields", "the body must be a JSON object")
    for name, value in content.items():
        if type(value) is not fields.get(name):
            known = ", ".join(f"{field} ({kind.__name__})" for field, kind in fields.items())
            raise api_error(
                "wrong_fields", f"fields may be {known}, but {name[:100]!r} is not such"
            )
    return content
