"""What the API answers when it cannot do what it was asked: a fixed code and one line."""

from collections.abc import Mapping

from thaw.errors import ThawError


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
