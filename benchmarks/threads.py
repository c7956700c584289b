"""Time a lone image on more and more threads, and count the outputs whose digits change.

    python benchmarks/threads.py [BUNDLE]...

By default the bundle of the last `dvc repro`. Runs images of noise, each alone, on 1 thread and on
2, 3, 4, 5, 8, 12 and 16, as far as there are cores. Prints a Markdown table for each bundle.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import openvino as ov
from clone import ROOT

from thaw.bundle import MODEL, check_bundle
from thaw.parallel import cores
from thaw.runtime import HINTS, limit_instructions

IMAGES = 16
THREADS = (1, 2, 3, 4, 5, 8, 12, 16)

Outputs = dict[str, np.ndarray]


def runner(bundle: Path, threads: int) -> Callable[[np.ndarray], Outputs]:
    """What runs an image, uint8 (1, S, S, 3), on a number of threads."""
    hints = {
        "INFERENCE_PRECISION_HINT": HINTS[check_bundle(bundle)["precision"]],
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
    }
    compiled = ov.Core().compile_model(bundle / MODEL, "CPU", hints)

    def run(image: np.ndarray) -> Outputs:
        found = compiled.infer_new_request(image).items()
        return {output.any_name: array.copy() for output, array in found}

    return run


def main() -> None:
    """Run all and print the tables."""
    for bundle in map(Path, sys.argv[1:] or [ROOT / "models/bundle"]):
        manifest = check_bundle(bundle)
        limit_instructions(manifest.get("max_cpu_isa", "ALL"))
        size = manifest["image_size"]
        images = np.random.default_rng(0).integers(0, 256, (IMAGES, 1, size, size, 3), np.uint8)
        print(f"\n| {bundle}: threads | ms, median | images with other digits |\n|---|---|---|")
        expected: list[Outputs] = []
        for threads in (count for count in THREADS if count <= cores()):
            run, times, found = runner(bundle, threads), [], []
            run(images[0])
            for image in images:
                start = perf_counter()
                found.append(run(image))
                times.append(perf_counter() - start)
            expected = expected or found
            pairs = list(zip(expected, found, strict=True))
            changed = {
                name: count
                for name in expected[0]
                if (count := sum(not np.array_equal(a[name], b[name]) for a, b in pairs))
            }
            said = ", ".join(f"{name} {count}" for name, count in changed.items()) or "none"
            print(f"| {threads} | {1e3 * median(times):.1f} | {said} |", flush=True)


if __name__ == "__main__":
    main()
