"""waitress, with what a public address takes: errors as JSON, time limits, an end without loss."""

import ctypes
import json
import signal
import socket
import struct
import sys
import time
from typing import Any

from flask import Flask
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import Error
from waitress.wasyncore import dispatcher, loop

from thaw.errors import ThawError
from thaw.serving.errors import CODES
from thaw.serving.observability import log
from thaw.serving.security import SECURITY_HEADERS
from thaw.serving.service import NAME
from thaw.serving.settings import ServeSettings

SPARE_THREADS = 8  # for probes, pages and refusals while all others predict or wait
CONNECTIONS = 500
MAX_HEADER = 16_384  # bytes
IDLE_SECONDS = 60  # of a connection between two requests
LINGER_SECONDS = 5  # what a client still sends is read so long, or it would miss the answer
GRACE_SECONDS = 1  # when the server stops, a connection that rests so long is closed
SO_ATTACH_FILTER, BPF_RETURN = 26, 6  # of Linux's socket.h and bpf_common.h
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


class Server(TcpWSGIServer):
    """Serves an application on a bound socket until `stop`."""

    channel_class = Channel
    stopping = False

    def __init__(self, app: Flask, sock: socket.socket, settings: ServeSettings) -> None:
        self.service = app.extensions[NAME]
        self.receive_seconds = settings.receive_seconds
        self.drain_seconds = settings.drain_seconds
        super().__init__(
            app,
            _sock=sock,
            bind_socket=False,
            sockinfo=(sock.family, sock.type, sock.proto, sock.getsockname()),
            threads=settings.slots + settings.queue + SPARE_THREADS,
            ident=None,
            connection_limit=CONNECTIONS,
            max_request_header_size=MAX_HEADER,
            max_request_body_size=settings.max_body + 1,  # waitress refuses this very size
            outbuf_high_watermark=2**40,  # a slow reader fills a file and blocks no thread
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=1,
            asyncore_use_poll=True,
            log_socket_errors=False,
            clear_untrusted_proxy_headers=True,
        )

    def count_refusal(self, code: str, seconds: float) -> None:
        """Count and log a request that did not reach the application."""
        status = CODES[code][0]
        self.service.metrics.request(None, "", status, code, seconds)
        log("refused", status=status, code=code)

    def maintenance(self, now: float) -> None:
        """Keep the time limits."""
        super().maintenance(now)
        for channel in list(self.active_channels.values()):
            channel.check_time(now)

    def stop(self, *_: Any) -> None:
        """Let `run` return; a handler of signals."""
        self.stopping = True
        self.service.stopping.set()
        self.pull_trigger()

    def run(self) -> None:
        """Serve until `stop`; then answer what has arrived, and accept no more."""
        while not self.stopping:
            self._turn(1)
        _refuse_connections(self.socket)
        self._accept_backlog()
        dispatcher.close(self)
        started = time.time()
        while self.active_channels and time.time() < started + self.drain_seconds:
            now = time.time()
            self.maintenance(now)
            for channel in self.active_channels.values():
                channel.will_close |= channel.is_idle(now - GRACE_SECONDS)
            self._turn(0.1)
        if self.active_channels:
            log("stopped with requests under way", connections=len(self.active_channels))
        self.task_dispatcher.shutdown(timeout=1)

    def _turn(self, seconds: float) -> None:
        loop(timeout=seconds, use_poll=True, map=self._map, count=1)

    def _accept_backlog(self) -> None:
        """Accept the connections that the system has made already."""
        count = -1
        while count < len(self.active_channels):
            count = len(self.active_channels)
            self.handle_accept()


def _refuse_connections(sock: socket.socket) -> None:
    """Let a listening socket take no more connections, and keep those that it has; on Linux.

    Closing it resets connections that have not been accepted, with the requests in them, and more
    come between the last accept and the end. This is the program `return 0` of Linux's filters.
    """
    if not sys.platform.startswith("linux"):
        return
    program = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RETURN, 0, 0, 0))
    filter_ = struct.pack("HL", 1, ctypes.addressof(program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_)


def bind(host: str, port: int) -> socket.socket:
    """A socket at the address; 0 is any free port. Raises ThawError if there can be none."""
    try:
        [family, kind, protocol, _, address] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ThawError(
            f"the address {host}:{port} must be free and of this machine, but is not ({reason}): "
            "give another --host or --port"
        ) from None
    return sock


def serve(app: Flask, settings: ServeSettings) -> None:
    """Serve an application until SIGTERM or SIGINT, to be called in the main thread."""
    with bind(settings.host, settings.port) as sock:
        server = Server(app, sock, settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.stop)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        log("listening", address=f"http://{host}:{server.effective_port}")
        server.run()
        log("stopped")
