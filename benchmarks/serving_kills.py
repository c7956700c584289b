"""End `thaw serve` under load, and swap its bundle under load, again and again; count what is lost.

    python benchmarks/serving_kills.py [--times 20]

Runs the sample in a clone in a temporary folder, and makes a second bundle, not calibrated, so that
its answers differ. CLIENTS clients send an image again and again, each on a connection that it
keeps. `SIGTERM`: the server gets it while they do; a request counts as accepted if its connection
was. `swap`: the other bundle is published while they do; each answer must be that of the bundle
that it names. Prints a Markdown table. Exits 1 if a request was lost, or an answer was wrong.
"""

import argparse
import base64
import http.client
import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any

from clone import environment, timed
from experiments import baseline
from serving import Server, serving

import thaw
from thaw.bundle import MANIFEST, bundle_sha256
from thaw.data.tables import read_rows

CLIENTS = 8
LOAD = 1.0  # seconds of load before and after

Reference = dict[str, dict[str, float]]  # the probabilities, by the hash of the bundle


@dataclass
class Load:
    """What clients got. lost: requests on an accepted connection without an answer."""

    answered: int = 0
    refused: int = 0
    lost: int = 0
    wrong: int = 0
    bundles: list[str] = field(default_factory=list)


def client(server: Server, body: bytes, reference: Reference, stop: Event) -> Load:
    """Send requests until the server is gone, or `stop`."""
    found = Load()
    while not stop.is_set():
        connection = server.client()
        try:
            connection.connect()
        except OSError:
            found.refused += 1
            return found
        while not stop.is_set():
            try:
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = json.loads(response.read())
            except (OSError, http.client.HTTPException):
                found.lost += 1
                break
            found.answered += 1
            sha256 = answer["bundle"]["sha256"]
            found.bundles.append(sha256)
            found.wrong += answer["probabilities"] != reference.get(sha256)
            if response.will_close:
                break
        connection.close()
    return found


def under_load(server: Server, body: bytes, reference: Reference, act: Any) -> Load:
    """Let clients send while `act` is called; the sum of what they got."""
    stop = Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(client, server, body, reference, stop) for _ in range(CLIENTS)]
        time.sleep(LOAD)
        act()
        time.sleep(LOAD)
        stop.set()
        loads = [one.result() for one in clients]
    total = Load()
    for load in loads:
        for name in ("answered", "refused", "lost", "wrong", "bundles"):
            setattr(total, name, getattr(total, name) + getattr(load, name))
    return total


def prepare() -> tuple[Path, list[Path], bytes, Reference]:
    """A clone with two bundles, a request, and what each bundle answers to it."""
    folder = baseline()
    bundles = [folder / name for name in ("calibrated", "plain")]
    shutil.copytree(folder / "models/bundle", bundles[0])
    timed("thaw use export.calibrate=false", folder)
    timed("dvc repro export", folder)
    shutil.copytree(folder / "models/bundle", bundles[1])
    [row] = islice(read_rows(folder / "data/images.parquet", ["bytes"]), 1)
    body = json.dumps({"image": base64.b64encode(row["bytes"]).decode()}).encode()
    reference = {
        sha256_of(bundle): thaw.load(str(bundle))(row["bytes"]).probabilities for bundle in bundles
    }
    assert len({str(answer) for answer in reference.values()}) == len(bundles)
    return folder, bundles, body, reference


def sha256_of(bundle: Path) -> str:
    """What a bundle is known by."""
    return bundle_sha256(json.loads((bundle / MANIFEST).read_text(encoding="utf-8")))


def publish(bundle: Path, folder: Path) -> None:
    """Publish in the clone."""
    command = ["thaw", "publish", str(bundle)]
    subprocess.run(command, cwd=folder, env=environment(folder), check=True, capture_output=True)


def main() -> None:
    """Run both, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    times = parser.parse_args().times
    folder, bundles, body, reference = prepare()
    command = ["thaw", "serve", "--port"]
    ended, swapped, taken_up = [], [], 0
    for _ in range(times):
        with serving("thaw serve", command, folder) as server:
            ended.append(under_load(server, body, reference, server.process.terminate))
    with serving("thaw serve", command, folder) as server:
        for number in range(times):
            bundle = bundles[number % 2]

            def act(bundle: Path = bundle) -> None:
                publish(bundle, folder)
                time.sleep(2)

            swapped.append(under_load(server, body, reference, act))
            taken_up += swapped[-1].bundles[-1] == sha256_of(bundle)
    print("| under load | times | answered | lost | wrong answers |\n|---|---|---|---|---|")
    for name, loads in (("SIGTERM", ended), ("swap", swapped)):
        sums = [sum(getattr(x, key) for x in loads) for key in ("answered", "lost", "wrong")]
        print(f"| {name} | {times} | {' | '.join(f'{total:,}' for total in sums)} |")
    print(f"\n{taken_up} of {times} swaps were taken up in two seconds")
    bad = sum(load.lost + load.wrong for load in (*ended, *swapped)) or taken_up < times
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
