"""Kill `thaw publish` at random moments, and look whether a whole bundle is published each time.

    python benchmarks/publish_kills.py [--kills 50] [--seed 0]

Three bundles are made of the one that `dvc repro` left, and published in turn. Each kill (SIGKILL)
comes at a moment drawn from the seed, between half of what a calm run takes, because programs load
before, and one and a half. tests/serving/test_published.py kills at each thing that is done to a
file. Prints a table in Markdown. Exits 1 if a pointer ever names a bundle that is not whole, a run
that was not killed fails, or anything but two bundles is left over at the end.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from clone import ROOT
from kills import PAUSE, Program

from thaw.bundle import LABELS, MANIFEST, MODEL, check_bundle, write_bundle
from thaw.errors import ThawError
from thaw.paths import BUNDLE
from thaw.serving.publish import published

FOLDER = "published"


def make_bundles(place: Path) -> list[Path]:
    """Bundles with the model of the repository's own."""
    bundle = ROOT / BUNDLE
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    labels = json.loads((bundle / LABELS).read_text(encoding="utf-8"))
    made = [place / name for name in ("first", "second", "third")]
    for path in made:
        write_bundle(path, (bundle / MODEL).read_bytes(), labels, manifest | {"is": path.name})
    return made


def is_whole(folder: Path) -> bool:
    """Whether something is published, and all that the pointer names is whole."""
    names = published(folder)
    try:
        for name in names:
            check_bundle(folder / name)
    except ThawError as error:
        print(error, file=sys.stderr)
        return False
    return bool(names)


def main() -> None:
    """Kill and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="thaw-")) / "publish"
    place.mkdir()
    (place / "src").symlink_to(ROOT / "src")
    bundles, folder = make_bundles(place), place / FOLDER

    def start(number: int) -> Program:
        return Program(place, "thaw", "publish", str(bundles[number % 3]), "--to", FOLDER)

    errors = [start(0).error()]
    calm = start(1)
    errors.append(calm.error())
    span, rng, killed, broken, swaps = calm.seconds(), random.Random(options.seed), 0, 0, 0
    while killed < options.kills:
        before, wait = published(folder), rng.uniform(span / 2, 1.5 * span)
        program = start(killed)
        while program.runs() and program.seconds() < wait:
            time.sleep(PAUSE)
        if program.kill():
            killed += 1
        else:
            errors.append(program.error())
        broken += not is_whole(folder)
        swaps += published(folder) != before
    errors += [start(number).error() for number in range(2)]
    left = sorted(path.name for path in folder.iterdir())
    print(f"| a calm run takes | {span:.1f} s |\n|---|---|\n| kills | {killed} |")
    print(f"| runs that changed the pointer | {swaps} |\n| without a whole bundle | {broken} |")
    failed = [error for error in errors if error]
    print(f"| failed runs | {len(failed)} |\n| names in the folder | {len(left)} |")
    sys.exit(bool(broken or failed or len(left) != 4))


if __name__ == "__main__":
    main()
