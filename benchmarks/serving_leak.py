"""Send thousands of damaged and sound images to `thaw serve`, and look at its memory.

    python benchmarks/serving_leak.py [COUNT] [--plant]

COUNT images (default 10,000) from fixed seeds, most of them damaged, go to a server with the bundle
of the last `dvc repro`, a tenth of them first, before memory is looked at. With --plant the server
keeps 100 kB of every request on purpose, which must be found. Prints a Markdown table.
Exits 1 if memory grew by 50 MB or more, an answer was no 200 or 4xx, or a sound image afterwards
has no answer.
"""

import http.client
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

from clone import ROOT
from hostile_images import mutated, whole_images
from serving import Server, serving

MOST_GROWTH = 50.0  # MB
PLANTED = """
import sys
from thaw.cli.main import main
from thaw.serving import answers

kept, read = [], answers.read_upload

def leaking(*arguments):
    kept.append(bytes(100_000))
    return read(*arguments)

answers.read_upload = leaking
sys.argv = ["thaw", "serve", "--port", sys.argv[1]]
main()
"""


def send(server: Server, images: list[bytes]) -> Counter[int]:
    """Send images, one after the other; how often each status came."""
    found: Counter[int] = Counter()
    connection = server.client()
    for data in images:
        try:
            connection.request("POST", "/predict", data, {"Content-Type": "image/jpeg"})
            response = connection.getresponse()
            response.read()
            found[response.status] += 1
        except (OSError, http.client.HTTPException):
            found[0] += 1
            connection = server.client()
    return found


def resident(server: Server) -> float:
    """Resident memory of the server, MB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1.024e-3


def main() -> None:
    """Send, and print the table."""
    words = [word for word in sys.argv[1:] if word != "--plant"]
    count = int(words[0]) if words else 10_000
    images = [data for _, data in islice(mutated(count), count)]
    command = ["thaw", "serve", "--port"]
    if "--plant" in sys.argv:
        command = [sys.executable, "-c", PLANTED]
    with serving("thaw serve", command, ROOT) as server:
        found = send(server, images[: count // 10])
        before = resident(server)
        found += send(server, images[count // 10 :])
        growth = resident(server) - before
        sound = send(server, [whole_images()["0 JPEG"]])
    statuses = ", ".join(f"{status}: {number:,}" for status, number in sorted(found.items()))
    print("| images | by status | memory before, MB | growth, MB |\n|---|---|---|---|")
    print(f"| {count:,} | {statuses} | {before:.0f} | {growth:.0f} |")
    right = all(status == 200 or 400 <= status < 500 for status in found) and sound == {200: 1}
    sys.exit(0 if right and growth < MOST_GROWTH else 1)


if __name__ == "__main__":
    main()
