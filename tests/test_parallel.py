"""Shards keep their order for any number of workers, and workers end with their program."""

import subprocess
import sys

import pytest

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


def test_workers_end_with_a_program_that_is_killed():
    program = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"0\n"
        process.kill()
        process.communicate(timeout=30)  # until the last worker has closed the output, too
