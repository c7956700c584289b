"""A connection of waitress: errors as JSON, time limits, and refusals that arrive."""

import json
import socket
import time

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import Error

from thaw.serving.errors import CODES
from thaw.serving.security import SECURITY_HEADERS

MAX_HEADER = 16_384  # bytes
LINGER_SECONDS = 5  # what a client still sends is read so long, or it would miss the answer
CODE_OF_STATUS = {408: "timeout", 413: "too_large", 431: "headers_too_large", 500: "internal_error"}
MESSAGES = {
    "bad_http": "the bytes must be a request of HTTP/1.1, but are not",
    "timeout": "a request must arrive in time, but did not: send it faster",
    "too_large": "the body must be smaller: send less",
    "headers_too_large": f"the header lines may have {MAX_HEADER} bytes, but have more",
    "internal_error": "the server has a defect here",
}


class RequestTimeout(Error):
    """A request that took too long to arrive."""

    code, reason = 408, "Request Timeout"


class JsonErrorTask(ErrorTask):
    """Answers a request that never reached the application, as the application would."""

    def execute(self) -> None:
        """Write the response."""
        status = self.request.error.code
        code = CODE_OF_STATUS.get(status, "bad_http")
        self.status = f"{CODES[code][0]} {self.request.error.reason}"
        body = json.dumps({"error": {"code": code, "message": MESSAGES[code]}}).encode()
        self.response_headers += [("Content-Type", "application/json"), *SECURITY_HEADERS.items()]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.channel.refused = True
        self.channel.server.count_refusal(code, time.time() - self.start_time)
        self.write(body)


class LastTask(WSGITask):
    """A request, after which the connection ends if the server does."""

    def build_response_header(self) -> bytes:
        """The head of the response."""
        if self.channel.server.stopping:
            self.set_close_on_finish()
        return super().build_response_header()


class Channel(HTTPChannel):
    """A connection, whose requests have a time limit, and whose refusals arrive."""

    task_class, error_task_class = LastTask, JsonErrorTask
    refused = False
    request: HTTPRequestParser | None  # the one that is arriving
    began: float | None = None  # when the first byte of the incomplete request came
    lingers_until: float | None = None

    def received(self, data: bytes) -> bool:
        """Take bytes of a request."""
        found = super().received(data)
        self.began = None if self.request is None else (self.began or time.time())
        return found

    def check_time(self, now: float) -> None:
        """Refuse the request that takes too long, and stop lingering."""
        if self.lingers_until is not None:
            if now > self.lingers_until:
                self.handle_close()
        elif self.began and now - self.began > self.server.receive_seconds and not self.requests:
            self._refuse_arriving()

    def _refuse_arriving(self) -> None:
        with self.requests_lock:
            request, self.request, self.began = self.request, None, None
            if request is None:
                return
            request.error, request.completed = RequestTimeout(""), True
            self.requests.append(request)
        self.server.add_task(self)

    def is_idle(self, since: float) -> bool:
        """Whether no request and no answer is on its way, and nothing came or went since."""
        busy = self.requests or self.request or self.total_outbufs_len
        return not busy and self.last_activity < since

    def readable(self) -> bool:
        """Whether to wait for bytes."""
        return self.lingers_until is not None or super().readable()

    def writable(self) -> bool:
        """Whether there is something to send."""
        return self.lingers_until is None and super().writable()

    def handle_read(self) -> None:
        """Take bytes, or throw them away."""
        if self.lingers_until is None:
            super().handle_read()
        else:
            self.recv(self.adj.recv_bytes)  # closes at the end

    def handle_close(self) -> None:
        """Close; after a refusal only once the client has sent all, see RFC 9112, 9.6."""
        if self.refused and self.connected and self.lingers_until is None:
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            else:
                self.lingers_until = time.time() + LINGER_SECONDS
                return
        super().handle_close()
