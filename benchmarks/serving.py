"""Time `thaw serve` against the servers that projects of this kind have, and overload it.

    python benchmarks/serving.py ARCHIVE WEIGHTS [--rounds 3] [--seconds 60]

ARCHIVE: a zip of photographs; WEIGHTS: an ImageNet file of MobileNetV2 1.0 without its top. In a
clone a head is trained on the frozen base, MobileNetV2 1.0 at 224 pixels. The peers are
benchmarks/peer_server.py, with `model.predict` and with a `tf.function`, on the same server,
waitress. All take base64 in JSON, the photographs have 500 x 375 pixels. In turn:

- one client: p50 and p99 of each server, and of `thaw.load` without a server, in its own process;
- 16 clients: requests in a second, and those of `thaw.load` on all cores without a server;
- start: from the start of the process until it says that it is ready;
- twice as many requests as the peak, for --seconds: those that are answered, refused or lost, and
  a live probe ten times a second.

Prints Markdown tables.
"""

import argparse
import asyncio
import base64
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import cast

import numpy as np
from clone import ROOT, environment
from predict import trained, typical

CLIENTS = 16
WARM, CALLS = 20, 100
TURN = 10.0  # seconds of 16 clients on one server
PROBES = 10  # in a second
MOST_CONNECTIONS = 128  # of the overload
TIMEOUT = 30.0
HEAD = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)
PROBE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
IN_PROCESS = """
import sys, time
import thaw

classify = thaw.load(sys.argv[1])
for line in sys.stdin:
    count, *names = line.split()
    if count == "one":
        times = []
        for name in names:
            data = open(name, "rb").read()
            start = time.perf_counter()
            classify(data)
            times.append(time.perf_counter() - start)
        print(*times, flush=True)
    else:
        files, done, start = [open(name, "rb").read() for name in names], 0, time.perf_counter()
        while time.perf_counter() - start < float(count):
            done += len(classify(files))
        print(done / (time.perf_counter() - start), flush=True)
"""


@dataclass
class Server:
    """A server on loopback. seconds: until it was ready."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    seconds: float

    def client(self) -> http.client.HTTPConnection:
        """A connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(name: str, command: list[str], folder: Path) -> Iterator[Server]:
    """Run a server, whose command ends with its port, until the end of the block."""
    port, start = free_port(), perf_counter()
    with (folder.parent / "serving.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, str(port)], cwd=folder, env=environment(folder), stdout=log, stderr=log
        )
    try:
        while not is_ready(port):
            if process.poll() is not None:
                sys.exit(f"{name} ended: see {folder.parent / 'serving.log'}")
            time.sleep(0.01)
        yield Server(name, port, process, perf_counter() - start)
    finally:
        process.terminate()
        process.wait()


def is_ready(port: int) -> bool:
    """Whether the server says that it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def status_of(answer: bytes) -> int:
    """The status of an HTTP answer, 0 while bytes of it are missing."""
    head, _, body = answer.lower().partition(b"\r\n\r\n")
    length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
    return int(head[9:12]) if length and len(body) >= int(length) else 0


def post(connection: socket.socket, body: bytes) -> float:
    """Seconds of a request; http.client takes longer itself."""
    start, answer = perf_counter(), b""
    connection.sendall(HEAD % len(body) + body)
    while not (status := status_of(answer)):
        answer += connection.recv(65536)
    seconds = perf_counter() - start
    assert status == 200, answer
    return seconds


def one_client(servers: list[Server], bodies: list[bytes], rounds: int) -> dict[str, list[float]]:
    """Seconds of each request, by server."""
    times: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as client:
                taken = [post(client, body) for body in islice(cycle(bodies), WARM + CALLS)]
            times[server.name] += taken[WARM:]
    return times


class Connection(asyncio.Protocol):
    """Sends requests one after the other; takes little of the cores that the servers need.

    answered: called with the connection, a status, 0 for a lost request, and its seconds.
    """

    def __init__(self, answered: Callable[["Connection", int, float], None]) -> None:
        self._answered = answered
        self._received, self._asked = b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def post(self, body: bytes) -> None:
        """Send a request."""
        self._received, self._asked = b"", perf_counter()
        self._transport.write(HEAD % len(body) + body)

    def data_received(self, data: bytes) -> None:
        """Take bytes of an answer."""
        self._received += data
        if status := status_of(self._received):
            self._finish(status)

    def connection_lost(self, error: Exception | None) -> None:
        """Count the request that is on its way as lost."""
        if self._asked:
            self._finish(0)

    def _finish(self, status: int) -> None:
        seconds, self._asked = perf_counter() - self._asked, 0.0
        self._answered(self, status, seconds)


async def connections(
    server: Server, count: int, answered: Callable[[Connection, int, float], None]
) -> list[Connection]:
    """So many connections to a server."""
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Connection(answered), "127.0.0.1", server.port)
        for _ in range(count)
    ]
    return [connection for _, connection in made]


async def many_clients(server: Server, bodies: list[bytes]) -> float:
    """Requests in a second."""
    end, left = perf_counter() + TURN, cycle(bodies)
    count, ended = 0, asyncio.Event()

    def answered(connection: Connection, status: int, _: float) -> None:
        nonlocal count
        count += status == 200
        if perf_counter() < end:
            connection.post(next(left))
        else:
            ended.set()

    for connection in await connections(server, CLIENTS, answered):
        connection.post(next(left))
    await ended.wait()
    return count / TURN


async def overload(server: Server, bodies: list[bytes], rate: float, seconds: float) -> None:
    """Send `rate` requests in a second whatever comes back, and print what does."""
    answers: list[tuple[int, float]] = []

    def answered(connection: Connection, status: int, taken: float) -> None:
        answers.append((status, taken))
        idle.append(connection)

    idle = await connections(server, MOST_CONNECTIONS, answered)
    probing = asyncio.create_task(probes(server, seconds))
    start, sent = perf_counter(), 0
    while (now := perf_counter() - start) < seconds:
        while sent < now * rate and idle:
            idle.pop().post(bodies[sent % len(bodies)])
            sent += 1
        await asyncio.sleep(max(0.001, start + (sent + 1) / rate - perf_counter()))
    await asyncio.sleep(TIMEOUT / 10)
    given, refused = ([s for status, s in answers if status == k] for k in (200, 503))
    print(f"\n| {sent / seconds:.0f} requests a second for {seconds:.0f} s | |\n|---|---|")
    print(f"| answered in a second, of the peak | {len(given) / seconds / (rate / 2):.2f} |")
    print(f"| refused, p99 in ms | {len(refused)}, {1e3 * np.percentile(refused or [0], 99):.0f} |")
    print(f"| neither | {sent - len(given) - len(refused)} |")
    print(f"| live probe, p99 in ms | {1e3 * np.percentile(await probing, 99):.0f} |", flush=True)


async def probes(server: Server, seconds: float) -> list[float]:
    """Seconds of each live probe, on a connection of its own."""
    end, found = perf_counter() + seconds, []
    while (asked := perf_counter()) < end:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(PROBE)
        assert b" 200 " in (await reader.read())[:16]
        writer.close()
        found.append(perf_counter() - asked)
        await asyncio.sleep(1 / PROBES)
    return found


def main() -> None:
    """Train, serve, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    folder, paths = trained(options.archive, options.weights)
    measure(folder, typical(paths)[:200], options.rounds, options.seconds)


def measure(folder: Path, paths: list[Path], rounds: int, seconds: float) -> None:
    """Run the servers, with the photographs as requests."""
    files = [path.read_bytes() for path in paths]
    bodies = [json.dumps({"image": base64.b64encode(data).decode()}).encode() for data in files]
    peer = [sys.executable, str(ROOT / "benchmarks/peer_server.py")]
    model = str(folder / "models/model.keras")
    names = " ".join(map(str, paths))
    with (
        serving("`thaw serve`", ["thaw", "serve", "--port"], folder) as thaw,
        serving("Flask, `model.predict`", [*peer, "predict", model], folder) as keras,
        serving("Flask, `tf.function`", [*peer, "function", model], folder) as function,
        subprocess.Popen(
            [sys.executable, "-c", IN_PROCESS, str(folder / "models/bundle")],
            env=environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as bare,
    ):
        servers = [thaw, keras, function]
        times = one_client(servers, bodies, rounds)

        def ask(count: str) -> list[float]:
            assert bare.stdin and bare.stdout
            print(count, names, file=bare.stdin, flush=True)
            return list(map(float, bare.stdout.readline().split()))

        times["`thaw.load`, without a server"] = ask("one")[WARM:]
        print("| one client | p50, ms | p99, ms | ratio | ready after, s |\n|---|---|---|---|---|")
        first, ready = median(times[thaw.name]), {one.name: one.seconds for one in servers}
        for name, found in times.items():
            cells = f"{1e3 * median(found):.1f} | {1e3 * np.percentile(found, 99):.1f}"
            started = f"{ready[name]:.1f}" if name in ready else ""
            print(f"| {name} | {cells} | {median(found) / first:.1f} | {started} |")
        rates: dict[str, list[float]] = {server.name: [] for server in servers}
        rates["`thaw.load`, without a server"] = []
        for _ in range(rounds):
            for server in servers:
                rates[server.name].append(asyncio.run(many_clients(server, bodies)))
            rates["`thaw.load`, without a server"] += ask(str(TURN))
        print(f"\n| {CLIENTS} clients | answers in a second, median | ratio |\n|---|---|---|")
        peak = median(rates[thaw.name])
        for name, found in rates.items():
            print(f"| {name} | {median(found):.0f} | {median(found) / peak:.2f} |", flush=True)
        asyncio.run(overload(thaw, bodies, 2 * peak, seconds))
        assert bare.stdin
        bare.stdin.close()


if __name__ == "__main__":
    main()
