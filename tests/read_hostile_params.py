"""Read files of params with every kind of fault, and see that none misleads, crashes or stalls.

    PYTHONPATH=src python tests/read_hostile_params.py [COUNT] [SEED]

Reads the crafted files and COUNT others (default 2,000; the same SEED, default 0, makes the same
ones) with `thaw.params.load`. Prints how many loaded as they were meant, how many were refused,
and the slowest. Exits 1 if there is a failure: an exception other than a ThawError with the right
number of lines, other values than those meant, or a file that loads and must not.
"""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hostile_params import Case, all_cases

from thaw.errors import ThawError
from thaw.params import load

GOOD = ("loaded", "refused in one line", "refused in several lines")


def verdict(case: Case, path: Path) -> str:
    """Read the file: one of GOOD, or what went wrong."""
    path.write_bytes(case.content)
    try:
        values = load(path).model_dump()
    except ThawError as error:
        lines = str(error).splitlines()
        right = case.meant is None and len(lines) == (case.lines or len(lines)) and all(lines)
        return GOOD[min(len(lines), 2)] if right else f"refused with {lines}"
    except Exception as error:
        return f"raised {error!r}"
    if case.damaged or values == case.meant:
        return "loaded"
    return "loaded, but must be refused" if case.meant is None else f"loaded as {values}"


def main() -> None:
    """Read all files and print the figures."""
    count, seed = (*map(int, sys.argv[1:]), *(2000, 0)[len(sys.argv) - 1 :])
    figures: Counter[str] = Counter()
    slowest, failures = (0.0, ""), []
    with tempfile.TemporaryDirectory() as folder:
        for case in all_cases(count, seed):
            start = time.process_time()
            result = verdict(case, Path(folder) / "params.yaml")
            slowest = max(slowest, (time.process_time() - start, case.name))
            if result not in GOOD:
                failures.append(f"{case.name}: {result}")
                result = "failed"
            figures[result] += 1
    print(f"{sum(figures.values())} files: {dict(figures)}")
    print(f"slowest {slowest[0]:.2f} s: {slowest[1]}")
    sys.exit("\n".join(failures) or 0)


if __name__ == "__main__":
    main()
