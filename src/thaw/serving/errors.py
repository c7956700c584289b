"""What the API answers when it cannot do what it was asked: a fixed code and one line."""

from collections.abc import Mapping

from thaw.errors import ThawError
from thaw.image_limits import UnusableImage

# Each code, the status that comes with it, and what it says. They do not change.
CODES = {
    "bad_request": (400, "The request breaks a rule that no other code names."),
    "bad_http": (400, "The bytes that came are no HTTP request."),
    "wrong_host": (400, "The name in the header Host is not one that the server was given."),
    "bad_json": (400, "The body is not JSON, or has too many values."),
    "wrong_params": (400, "A param may not be set, or its value is not valid."),
    "wrong_fields": (400, "A field or a parameter is missing, unknown or of the wrong type."),
    "unauthorized": (401, "The header Authorization has not the server's token."),
    "not_found": (404, "There is nothing at this path."),
    "method_not_allowed": (405, "The path has other methods, see the header Allow."),
    "job_running": (409, "Another training job runs."),
    "timeout": (408, "The request did not arrive in time."),
    "too_large": (413, "The body is too large, or has too many parts."),
    "too_many_images": (400, "The request has more images than one may have."),
    "unsupported_media_type": (415, "The Content-Type is none of those that are taken."),
    "bad_base64": (422, "The image is not base64, or not a data URL with it."),
    "empty_image": (422, "The image has no bytes."),
    "truncated_image": (422, "The end of the image is missing."),
    "not_an_image": (422, "The bytes are no image of a known format."),
    "heic_image": (422, "HEIC is not decoded."),
    "image_too_large": (422, "The image has more pixels or bytes than are decoded."),
    "too_many_scans": (422, "The JPEG has too many scans."),
    "wrong_hash": (422, "The hash is not that of the image."),
    "headers_too_large": (431, "The header lines are too long."),
    "internal_error": (500, "A defect of the server; its log has the details."),
    "busy": (503, "All places in the queue are taken; Retry-After says when to come back."),
    "stopping": (503, "The server is stopping."),
    "feedback_full": (507, "No more feedback is kept."),
}
OF_REASON = {  # of an UnusableImage
    "empty": "empty_image",
    "truncated": "truncated_image",
    "not an image": "not_an_image",
    "HEIC": "heic_image",
    "too large": "image_too_large",
    "too many scans": "too_many_scans",
}


class ApiError(ThawError):
    """An answer that is an error: its status, its code and a line for the client.

    headers: further ones of the answer. The message has nothing of the server in it.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})

    @property
    def content(self) -> dict[str, dict[str, str]]:
        """The JSON document of the answer."""
        return {"error": {"code": self.code, "message": self.message}}


def api_error(code: str, message: str, headers: Mapping[str, str] | None = None) -> ApiError:
    """The error of one of CODES, with its status."""
    return ApiError(CODES[code][0], code, message, headers)


def image_error(error: ThawError) -> ApiError:
    """The error of an image that has no prediction. Raises `error` if it is not the image's."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, UnusableImage):
        return api_error(OF_REASON[error.reason], str(error))
    raise error
