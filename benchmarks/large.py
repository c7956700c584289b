"""Time the entire pipeline on 25,000 images, from an archive to the evaluation, base frozen.

    python benchmarks/large.py ARCHIVE WEIGHTS [--against REVISION]

ARCHIVE is a zip of photographs in the layout of the public cats-and-dogs archive; the images are
25,000 distinct crops of them, 360 pixels wide. WEIGHTS is the ImageNet file of MobileNetV2 1.0
without its top at 224 pixels. Works in a clone in a temporary folder. Prints a Markdown table:
seconds of each stage, of all, and of a `dvc repro` with nothing changed; peak memory; accuracy.
With --against, the same in a clone of that revision, right after, and the ratios.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median

from clone import clone, environment, timed
from crops import crops, write_zip
from photographs import memory_below
from PIL import Image

COUNT, SIDE = 25_000, 360
SETTINGS = "train.freeze_till=all train.hidden_units=[] augment.views=0"
START = "Running stage '"


def photographs(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield label and file of each photograph that is whole."""
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            data = opened.read(name)
            with suppress(OSError, SyntaxError):
                Image.open(io.BytesIO(data)).load()
                yield Path(name).parent.name, data


def measure(folder: Path, settings: list[str]) -> dict[str, float]:
    """Run the pipeline: seconds of each stage and in all, peak memory in MiB, and accuracy."""
    timed(f"thaw use {' '.join(settings)}", folder)
    lines = folder.parent / "repro.log"
    with lines.open("w") as log:
        process = subprocess.Popen(
            ["dvc", "repro"], cwd=folder, env=environment(folder), stdout=log, stderr=log
        )
        begun, peak = time.perf_counter(), 0
        starts: dict[str, float] = {}
        while process.poll() is None:
            peak = max(peak, memory_below(process.pid))
            now = time.perf_counter()
            for line in lines.read_text().splitlines():
                if line.startswith(START):
                    starts.setdefault(line.removeprefix(START).split("'")[0], now)
            time.sleep(0.2)
    if process.returncode:
        sys.exit(f"dvc repro failed: see {lines}")
    ends = [*list(starts.values())[1:], time.perf_counter()]
    found = {stage: end - start for (stage, start), end in zip(starts.items(), ends, strict=True)}
    found["in all"] = ends[-1] - begun
    found["nothing changed"] = median(timed("dvc repro", folder) for _ in range(5))
    found["peak memory, MiB"] = peak / 1024
    return found | {
        "test accuracy": json.loads((folder / "metrics/eval.json").read_text())["accuracy"]
    }


def main() -> None:
    """Make the archive and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("archive", "weights"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--against", metavar="REVISION")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        files = list(photographs(options.archive))
        source = write_zip(Path(temporary) / "crops.zip", crops(files, COUNT / len(files), SIDE))
        settings = ["mobilenetv2", f"data.source={source}", f"base.weights={options.weights}"]
        settings += ["data.limit_per_class=null", *SETTINGS.split()]
        new = measure(clone(), settings)
        old = measure(clone(options.against), settings) if options.against else {}
    titles = ["what", "found", *([options.against, "ratio"] if old else [])]
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|")
    for what in dict.fromkeys([*new, *old]):
        one, other = new.get(what, 0.0), old.get(what, 0.0)
        cells = [what, f"{one:.4g}", *([f"{other:.4g}"] if old else [])]
        cells += [f"{one / other:.2f}" if other else ""] if old else []
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
