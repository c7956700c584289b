"""Shards keep their order for any number of workers, and workers end with their program."""

import os
import signal
import subprocess
import sys

import pytest

from thaw import parallel
from thaw.errors import ThawError
from thaw.parallel import map_shards

PROGRAM = """
from thaw.parallel import map_shards
results = map_shards(sorted, range(9), 1, 2)
print(next(results), flush=True)
input()
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_in_the_order_of_the_items(workers):
    items = list(range(20, 0, -1))
    assert list(map_shards(list, items, 3, workers)) == items


def test_a_batch_of_large_items_has_fewer(monkeypatch):
    monkeypatch.setattr(parallel, "BATCH_BYTES", 5)
    assert list(parallel.batched([1, 1, 1, 1, 4, 9, 2], 3, int)) == [[1, 1, 1], [1, 4], [9], [2]]


def killed(shard):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_is_one_line():
    with pytest.raises(ThawError, match=r"all 2 processes .* LOKY_MAX_CPU_COUNT") as error:
        list(map_shards(killed, range(9), 1, 2))
    assert len(str(error.value).splitlines()) == 1


def test_workers_end_with_a_program_that_is_killed():
    program = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"0\n"
        process.kill()
        process.communicate(timeout=30)  # until the last worker has closed the output, too
