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
import base64
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from clone import ROOT, environment
from predict import trained, typical

CLIENTS = 16
WARM, CALLS = 20, 100
TURN = 10.0  # seconds of 16 clients on one server
PROBES = 10  # in a second
WORKERS = 128  # requests of the overload that may be on their way at once
TIMEOUT = 30.0
HEAD = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)
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


class Client:
    """Sends requests on one connection; takes less of the cores than http.client does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def post(self, body: bytes) -> tuple[int, float]:
        """Status and seconds of a request; status 0 if it was lost."""
        start = perf_counter()
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT)
            self._socket.sendall(HEAD % len(body) + body)
            return self._status(), perf_counter() - start
        except (OSError, ValueError):
            self._socket = None
            return 0, perf_counter() - start

    def _status(self) -> int:
        assert self._socket
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._received()
        head = received[:end].lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(received) < end + 4 + length:
            received += self._received()
        if b"connection: close" in head:
            self._socket.close()
            self._socket = None
        return int(head.split(None, 2)[1])

    def _received(self) -> bytes:
        assert self._socket
        if not (found := self._socket.recv(65536)):
            raise OSError("closed")
        return found


def one_client(servers: list[Server], bodies: list[bytes], rounds: int) -> dict[str, list[float]]:
    """Seconds of each request, by server."""
    times: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            client = Client(server.port)
            answers = [client.post(bodies[k % len(bodies)]) for k in range(WARM + CALLS)]
            assert {status for status, _ in answers} == {200}
            times[server.name] += [seconds for _, seconds in answers[WARM:]]
    return times


def many_clients(server: Server, bodies: list[bytes]) -> float:
    """Requests in a second."""
    end = perf_counter() + TURN

    def run(number: int) -> int:
        client, count = Client(server.port), 0
        while perf_counter() < end:
            status, _ = client.post(bodies[(number + CLIENTS * count) % len(bodies)])
            count += status == 200
        return count

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(run, range(CLIENTS))) / TURN


def overload(server: Server, bodies: list[bytes], rate: float, seconds: float) -> None:
    """Send `rate` requests in a second whatever comes back, and print what does."""
    start, local = perf_counter(), threading.local()
    probes: list[float] = []

    def run(number: int) -> tuple[int, float]:
        if not hasattr(local, "client"):
            local.client = Client(server.port)
        time.sleep(max(0.0, start + number / rate - perf_counter()))
        return local.client.post(bodies[number % len(bodies)])

    def probe() -> None:
        while perf_counter() < start + seconds:
            connection, asked = server.client(), perf_counter()
            connection.request("GET", "/health/live")
            assert connection.getresponse().status == 200
            probes.append(perf_counter() - asked)
            connection.close()
            time.sleep(1 / PROBES)

    prober = threading.Thread(target=probe)
    prober.start()
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(run, range(int(rate * seconds))))
    prober.join()
    taken = perf_counter() - start
    given, refused = ([s for status, s in answers if status == k] for k in (200, 503))
    lost = len(answers) - len(given) - len(refused)
    print(f"\n| {rate:.0f} requests a second for {taken:.0f} s | |\n|---|---|")
    print(f"| answered in a second | {len(given) / taken:.0f} |")
    print(f"| refused, p99 in ms | {len(refused)}, {1e3 * np.percentile(refused or [0], 99):.0f} |")
    print(f"| neither | {lost} |")
    print(f"| live probe, p99 in ms | {1e3 * np.percentile(probes, 99):.0f} |", flush=True)


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
                rates[server.name].append(many_clients(server, bodies))
            rates["`thaw.load`, without a server"] += ask(str(TURN))
        print(f"\n| {CLIENTS} clients | answers in a second, median | ratio |\n|---|---|---|")
        peak = median(rates[thaw.name])
        for name, found in rates.items():
            print(f"| {name} | {median(found):.0f} | {median(found) / peak:.2f} |", flush=True)
        overload(thaw, bodies, 2 * peak, seconds)
        assert bare.stdin
        bare.stdin.close()


if __name__ == "__main__":
    main()
