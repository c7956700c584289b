"""Flip single bits of a bundle, and count how many its check notices and names.

    python benchmarks/bit_flips.py [--flips 100] [--seed 0] [BUNDLE]

Flips one bit at a time in a copy of BUNDLE (default models/bundle), and checks the copy as the
predictor does before it loads a bundle: five bits of each file and the others anywhere, at places
drawn from the seed; then every bit of manifest.json. A flip counts if the check refuses the bundle
in one line that starts with the file. Prints a Markdown table. Exits 1 if a flip does not count.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from clone import ROOT

from thaw.bundle import MANIFEST, check_bundle
from thaw.errors import ThawError

LEAST = 5  # flips of a file


def draw_bits(sizes: dict[str, int], flips: int, rng: random.Random) -> dict[str, list[int]]:
    """Numbers of distinct bits, by file: LEAST of each, the others anywhere. sizes: in bytes."""
    names = LEAST * list(sizes)
    names += rng.choices(list(sizes), list(sizes.values()), k=flips - len(names))
    return {name: rng.sample(range(8 * sizes[name]), n) for name, n in Counter(names).items()}


def is_named(path: Path, bit: int) -> bool:
    """Whether the check of the bundle names the file `path` when one bit of it is flipped."""
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    try:
        check_bundle(path.parent)
    except ThawError as error:
        return str(error).startswith(f"{path} ") and "\n" not in str(error)
    finally:
        path.write_bytes(whole)
    return False


def count(path: Path, bits: Iterable[int], what: str) -> bool:
    """Flip each bit of a file in turn and print the row; whether all are named."""
    named = [is_named(path, bit) for bit in bits]
    print(f"| {path.name}{what} | {path.stat().st_size} | {len(named)} | {sum(named)} |")
    return all(named)


def main() -> None:
    """Flip, count and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", type=Path, default=ROOT / "models/bundle")
    parser.add_argument("--flips", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        bundle = Path(temporary) / "bundle"
        shutil.copytree(options.bundle, bundle, copy_function=shutil.copyfile)  # writable
        check_bundle(bundle)
        sizes = {path.name: path.stat().st_size for path in sorted(bundle.iterdir())}
        bits = draw_bits(sizes, options.flips, random.Random(options.seed))
        print("| file | bytes | bits flipped | noticed and named |\n|---|---|---|---|")
        results = [count(bundle / name, chosen, "") for name, chosen in bits.items()]
        results.append(count(bundle / MANIFEST, range(8 * sizes[MANIFEST]), ", every bit"))
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
