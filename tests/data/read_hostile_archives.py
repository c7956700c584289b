"""Read damaged and hostile archives, and see that none misleads, crashes or stalls the reader.

    PYTHONPATH=src python tests/data/read_hostile_archives.py [COUNT] [SEED]

Damages archives of all formats in COUNT ways (default 300; the same SEED, default 0, makes the
same ones), adds the crafted ones, and reads all members of each through `open_members` in a
process of its own. Prints how many read identical, how many were refused, and how many read
otherwise after a warning that the format has no checksums. Exits 1 if there is a failure: an
exception other than a ThawError of one line, other names or contents without a warning, a crafted
archive that opens, more than MAX_SECONDS of processor time, or more than MAX_BYTES of memory.
"""

import json
import logging
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hostile_archives import BOMBS, CRAFTED, DAMAGE, FORMATS, UNCHECKED, Files, make_files

from thaw.data.archive import open_members
from thaw.errors import ThawError

GOOD = ("identical", "refused", "warned")
MAX_SECONDS, MAX_BYTES = 2.0, 500 * 10**6
STALLS_AFTER = 30  # seconds of the clock


@dataclass(frozen=True)
class Case:
    """An archive, and the contents that it may read as; none if it must be refused."""

    name: str
    data: bytes
    allowed: tuple[Files, ...]
    unchecked: bool = False


def damaged_cases(count: int, seed: int) -> Iterator[Case]:
    """Archives of all formats in turn, each damaged in one way."""
    for number in range(count):
        name = list(FORMATS)[number % len(FORMATS)]
        damage = DAMAGE[number // len(FORMATS) % len(DAMAGE)]
        rng = random.Random(f"{seed} {number}")
        files, others = make_files(rng.randrange(10**6)), make_files(rng.randrange(10**6))
        data = damage(rng, FORMATS[name](files), FORMATS[name](others))
        yield Case(f"{name}, {damage.__name__} {number}", data, (files, others), name in UNCHECKED)


def crafted_cases() -> Iterator[Case]:
    for name, data in CRAFTED.items():
        yield Case(name, data, ())
    for name, make in BOMBS.items():
        yield Case(name, make(), ())


def verdict(case: Case, path: Path) -> str:
    """Read the archive: identical, refused, warned, or what went wrong."""
    path.write_bytes(case.data)
    warnings: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = warnings.append
    logging.getLogger("thaw").addHandler(handler)
    try:
        with open_members(path) as members:
            found = {name: members.read(name) for name in members.paths()}
    except ThawError as error:
        return "refused" if len(str(error).splitlines()) == 1 else f"several lines: {error}"
    except Exception as error:
        return f"raised {error!r}"
    finally:
        logging.getLogger("thaw").removeHandler(handler)
    if found in case.allowed:
        return "identical"
    return "warned" if case.unchecked and warnings else f"opened with {sorted(found)}"


def measured_verdict(case: Case, path: Path) -> tuple[str, float, int]:
    """The verdict of a process of its own, its processor time in seconds, its memory in bytes."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(STALLS_AFTER)
        os.write(write, json.dumps(verdict(case, path)).encode()[:4096])
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    _, status, usage = os.wait4(child, 0)
    seconds, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    result = json.loads(text) if status == 0 else f"ended with status {status}"
    if seconds > MAX_SECONDS:
        result = f"took {seconds:.1f} s"
    if memory > MAX_BYTES:
        result = f"took {memory / 1e6:.0f} MB"
    return result, seconds, memory


def main() -> None:
    """Read all cases and print the figures."""
    count, seed = (*map(int, sys.argv[1:]), *(300, 0)[len(sys.argv) - 1 :])
    figures: dict[str, Counter[str]] = {"damaged": Counter(), "crafted": Counter()}
    slowest, largest, failures = 0.0, 0, []
    with tempfile.TemporaryDirectory() as folder:
        for kind, cases in (
            ("damaged", damaged_cases(count, seed)),
            ("crafted", crafted_cases()),
        ):
            for case in cases:
                result, seconds, memory = measured_verdict(case, Path(folder) / "archive")
                slowest, largest = max(slowest, seconds), max(largest, memory)
                if result not in GOOD:
                    failures.append(f"{case.name}: {result}")
                    result = "failed"
                figures[kind][result] += 1
    for kind, counter in figures.items():
        print(f"{kind}: {', '.join(f'{n} {what}' for what, n in sorted(counter.items()))}")
    print(f"slowest {slowest:.2f} s, largest {largest / 1e6:.0f} MB")
    sys.exit("\n".join(failures) or 0)


if __name__ == "__main__":
    main()
