"""Time prediction: one photograph, a folder of them, and the memory of many.

    python benchmarks/predict.py ARCHIVE WEIGHTS [--rounds 3]

ARCHIVE: a zip of photographs; WEIGHTS: an ImageNet file of MobileNetV2 1.0 without its top. In a
clone in a temporary folder a head is trained on the frozen base, MobileNetV2 1.0 at 224 pixels.
Then, alternating:

- One photograph of 500 x 375, from its file to the answer: `thaw.load`, Keras `model.predict` and
  the same Keras model as a `tf.function`, the latter two with Pillow decoding.
- The photographs of ARCHIVE: `thaw predict`, from the start of Python to the file; and in this
  process, with everything loaded, decoding alone and the network alone, each on all cores, and one
  image at a time.
- The peak memory of `thaw predict` with 1,000 and with 20,000 images (the same files, linked).

Prints Markdown tables.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from clone import environment, timed
from PIL import Image
from sweeps import photographs

from thaw.data.tables import read_rows
from thaw.parallel import cores
from thaw.serving.predictor import Predictor
from thaw.tensorflow_log import quiet_import

SIZE = 224
WARM, CALLS = 10, 100  # images of a turn of each method, the first of which are not timed
PAUSE = 0.02  # seconds between two looks at the memory of a process
FEW, MANY = 1_000, 20_000  # images whose memory is compared


def decoded(path: Path) -> np.ndarray:
    """What projects of this kind do: uint8 (1, SIZE, SIZE, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((SIZE, SIZE)))[None]


def methods(folder: Path) -> dict[str, Callable[[Path], object]]:
    """From a file to probabilities, by the network in `folder`."""
    timed("thaw keras", folder)
    with quiet_import():
        import keras
        import tensorflow as tf

    model = keras.models.load_model(folder / "models/model.keras")
    function = tf.function(lambda images: model(images, training=False))
    return {
        "`thaw.load`": Predictor(folder / "models/bundle", cores()),
        "`model.predict`": lambda path: model.predict(decoded(path), verbose=0),
        "`tf.function`": lambda path: function(tf.constant(decoded(path))).numpy(),
    }


def one_photograph(folder: Path, files: list[Path], rounds: int) -> None:
    """Print the table of latencies."""
    ways = methods(folder)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds):
        for name, way in ways.items():
            for k in range(WARM + CALLS):
                path = files[(turn * CALLS + k) % len(files)]
                start = perf_counter()
                way(path)
                if k >= WARM:
                    times[name].append(perf_counter() - start)
    print("| one photograph, file to answer | median, ms | p99, ms | ratio |\n|---|---|---|---|")
    [first, *_] = (median(found) for found in times.values())
    for name, found in times.items():
        cells = f"{1e3 * median(found):.1f} | {1e3 * np.percentile(found, 99):.1f}"
        print(f"| {name} | {cells} | {median(found) / first:.1f} |", flush=True)


def seconds(work: Callable[[], object]) -> float:
    """Duration of one call."""
    start = perf_counter()
    work()
    return perf_counter() - start


def many_photographs(folder: Path, paths: list[Path], rounds: int) -> None:
    """Print the table of `thaw predict` against its parts."""
    predictor, files = Predictor(folder / "models/bundle", cores()), [p.read_bytes() for p in paths]
    images = np.stack([predictor.decode(data) for data in files])
    listing = folder / "paths.txt"
    listing.write_text("".join(f"{path}\n" for path in paths))

    def decode_all() -> None:
        with ThreadPoolExecutor(cores()) as pool:
            for _ in pool.map(predictor.decode, files):
                pass

    work: dict[str, Callable[[], object]] = {
        "`thaw predict`": lambda: command(folder, listing, "out.csv"),
        "decoding alone": decode_all,
        "the network alone": lambda: predictor.predict(images),
        "one image at a time": lambda: [predictor(data) for data in files],
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, function in work.items():
            times[name].append(seconds(function))
    print(f"\n| {len(files):,} photographs | seconds, median | from | to |\n|---|---|---|---|")
    for name, found in times.items():
        print(f"| {name} | {median(found):.1f} | {min(found):.1f} | {max(found):.1f} |")
    turns = list(zip(*times.values(), strict=True))
    parts = median(both / (decoding + network) for both, decoding, network, _ in turns)
    alone = median(single / both for both, _, _, single in turns)
    print(
        f"\n`thaw predict` takes {parts:.2f} × its parts; one at a time takes {alone:.2f} × as long"
    )


def command(folder: Path, listing: Path, output: str) -> int:
    """Run `thaw predict` on the paths in a file; its peak memory, KiB."""
    words, log_path = (
        ["thaw", "predict", "-", "-o", output, "--force"],
        folder.parent / "predict.log",
    )
    with listing.open() as stream, log_path.open("a") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=environment(folder), stdin=stream, stdout=log, stderr=log
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, high_water(process.pid))
            time.sleep(PAUSE)
    if process.returncode:
        sys.exit(f"{' '.join(words)} failed: see {log_path}")
    return peak


def high_water(pid: int) -> int:
    """Peak resident memory of a process since it started its program, KiB; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int((re.search(r"VmHWM:\s+(\d+) kB", status) or [0, 0])[1])


def memory(folder: Path, paths: list[Path]) -> None:
    """Print the table of peak memory."""
    print("\n| images | peak memory, MB |\n|---|---|")
    for count in (FEW, MANY):
        links = folder / f"links{count}"
        links.mkdir()
        names = [links / f"{k}.jpg" for k in range(count)]
        for k, name in enumerate(names):
            name.symlink_to(paths[k % len(paths)])
        listing = folder / "links.txt"
        listing.write_text("".join(f"{name}\n" for name in names))
        print(f"| {count:,} | {1.024e-3 * command(folder, listing, 'links.csv'):.0f} |", flush=True)


def usable(folder: Path) -> list[Path]:
    """The photographs that the pipeline kept, as files."""
    place, paths = folder / "files", []
    place.mkdir()
    for k, row in enumerate(read_rows(folder / "data/images.parquet", ["bytes"])):
        paths.append(place / f"{k}.jpg")
        paths[-1].write_bytes(row["bytes"])
    return paths


def main() -> None:
    """Train, time, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    settings = "train.freeze_till=all train.hidden_units=[] augment.views=0"
    folder = photographs(options.archive, options.weights, settings)
    timed("dvc repro", folder)
    paths = usable(folder)
    wanted = [path for path in paths if Image.open(path).size in ((500, 375), (499, 375))]
    one_photograph(folder, wanted[: options.rounds * CALLS], options.rounds)
    many_photographs(folder, paths, options.rounds)
    memory(folder, paths)


if __name__ == "__main__":
    main()
