"""Memory of the server stays as it is; a planted leak is found."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running_server import PROGRAM, running
from small_bundle import write_colours

REQUESTS, MOST_GROWTH = 300, 50e6  # bytes
LEAK = """
from thaw.serving import answers

kept, read = [], answers.read_upload
answers.read_upload = lambda *arguments: (kept.append(bytes(500_000)), read(*arguments))[1]
"""


def growth(server):
    """How much more memory the server has after REQUESTS images, a third of them damaged."""
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "jpeg")
    sound, statuses = stream.getvalue(), set()
    for number in range(REQUESTS):
        data = sound[: -2 - number] if number % 3 == 0 else sound
        statuses.add(server.post(data=data, headers={"Content-Type": "image/jpeg"}).status_code)
        if number == REQUESTS // 5:
            before = resident(server)
    assert statuses == {200, 422}
    return resident(server) - before


def resident(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return 1024 * int(next(row for row in status.splitlines() if "VmRSS" in row).split()[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system has no /proc")
@pytest.mark.parametrize("planted", [False, True])
def test_memory_does_not_grow_unless_a_leak_is_planted(tmp_path, planted):
    bundle = write_colours(tmp_path / "bundle")
    program = LEAK + PROGRAM if planted else PROGRAM
    with running(["-c", program, str(bundle), "{}"], tmp_path) as server:
        assert (growth(server) >= MOST_GROWTH) == planted
