"""waitress, with what a public address takes: time limits, and an end without loss."""

import contextlib
import ctypes
import signal
import socket
import struct
import sys
import time
from typing import Any

from flask import Flask
from waitress.server import TcpWSGIServer
from waitress.wasyncore import dispatcher, loop

from thaw.errors import ThawError
from thaw.serving.connection import MAX_HEADER, Channel
from thaw.serving.errors import CODES
from thaw.serving.observability import log
from thaw.serving.service import NAME
from thaw.serving.settings import ServeSettings

M_ARENA_MAX = -8  # of malloc.h
SPARE_THREADS = 8  # for probes, pages and refusals while all others predict or wait
CONNECTIONS = 500
RECEIVED_BYTES = (
    2**18
)  # at once; by default 8,192, and a photograph takes several turns of the loop
IDLE_SECONDS = 60  # of a connection between two requests
SWITCH_SECONDS = 0.0005  # between threads of Python; with the usual 0.005 the cores rest meanwhile
GRACE_SECONDS = 1  # when the server stops, a connection that rests so long is closed
SO_ATTACH_FILTER, BPF_RETURN = 26, 6  # of Linux's socket.h and bpf_common.h


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
            recv_bytes=RECEIVED_BYTES,
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


def few_arenas() -> None:
    """Let the threads of this process share two heaps, on Linux with glibc; before there are any.

    By default each thread gets its own, and images of all sizes tear holes into all of them:
    benchmarks/serving_leak.py.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def serve(app: Flask, settings: ServeSettings) -> None:
    """Serve an application until SIGTERM or SIGINT, to be called in the main thread."""
    with bind(settings.host, settings.port) as sock:
        server = Server(app, sock, settings)
        sys.setswitchinterval(SWITCH_SECONDS)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.stop)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        log("listening", address=f"http://{host}:{server.effective_port}")
        server.run()
        log("stopped")
