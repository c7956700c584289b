"""Time prediction: one photograph, a folder of them, and the memory of many.

    python benchmarks/predict.py ARCHIVE WEIGHTS [--rounds 3]

ARCHIVE: a zip of photographs; WEIGHTS: an ImageNet file of MobileNetV2 1.0 without its top. In a
clone in a temporary folder a head is trained on the frozen base, MobileNetV2 1.0 at 224 pixels.
Then, alternating:

- One photograph of 500 x 375, from its file to the answer: `thaw.load`, Keras `model.predict` and
  the same Keras model as a `tf.function`, the latter two with Pillow decoding. Each has a process
  of its own.
- The photographs of ARCHIVE: `thaw predict`, from the start of Python to the file; and in this
  process, with everything loaded, decoding alone and the network alone, each on all cores, and one
  image at a time, on one core and on all.
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
from multiprocessing import get_context
from multiprocessing.connection import Connection
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
WAYS = THAW, KERAS, FUNCTION = "`thaw.load`", "`model.predict`", "`tf.function`"
COMMAND = "`thaw predict`"
WARM, CALLS = 10, 100  # images of a turn of each method, the first of which are not timed
PAUSE = 0.02  # seconds between two looks at the memory of a process
FEW, MANY = 1_000, 20_000  # images whose memory is compared


def decoded(path: Path) -> np.ndarray:
    """What projects of this kind do: uint8 (1, SIZE, SIZE, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((SIZE, SIZE)))[None]


def way(name: str, folder: Path) -> Callable[[Path], object]:
    """From a file to probabilities, by the network in `folder`."""
    if name == THAW:
        return Predictor(folder / "models/bundle", cores())
    with quiet_import():
        import keras
        import tensorflow as tf

    model = keras.models.load_model(folder / "models/model.keras")
    if name == KERAS:
        return lambda path: model.predict(decoded(path), verbose=0)
    function = tf.function(lambda images: model(images, training=False))
    return lambda path: function(tf.constant(decoded(path))).numpy()


def serve(name: str, folder: Path, connection: Connection) -> None:
    """Answer lists of files with the seconds of each, until None comes."""
    answer = way(name, folder)
    while (paths := connection.recv()) is not None:
        found = []
        for path in paths:
            start = perf_counter()
            answer(path)
            found.append(perf_counter() - start)
        connection.send(found)


def one_photograph(folder: Path, files: list[Path], rounds: int) -> None:
    """Print the table of latencies. Each way has a process of its own; they take turns."""
    context, connections = get_context("spawn"), {}
    for name in WAYS:
        connections[name], theirs = context.Pipe()
        context.Process(target=serve, args=(name, folder, theirs), daemon=True).start()
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for turn in range(rounds):
        chosen = [files[(turn * CALLS + k) % len(files)] for k in range(WARM + CALLS)]
        for name, connection in connections.items():
            connection.send(chosen)
            times[name] += connection.recv()[WARM:]
    for connection in connections.values():
        connection.send(None)
    print("| one photograph, file to answer | median, ms | p99, ms | ratio |\n|---|---|---|---|")
    first = median(times[THAW])
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
    single = Predictor(folder / "models/bundle")
    images = np.stack([predictor.decode(data) for data in files])
    listing = folder / "paths.txt"
    listing.write_text("".join(f"{path}\n" for path in paths))

    def decode_all() -> None:
        with ThreadPoolExecutor(cores()) as pool:
            for _ in pool.map(predictor.decode, files):
                pass

    work: dict[str, Callable[[], object]] = {
        COMMAND: lambda: command(folder, listing, "out.csv"),
        "decoding alone": decode_all,
        "the network alone": lambda: predictor.predict(images),
        "one image at a time, on one core": lambda: [single(data) for data in files],
        "one image at a time, each on all cores": lambda: [predictor(data) for data in files],
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, function in work.items():
            times[name].append(seconds(function))
    print(f"\n| {len(files):,} photographs | seconds, median | from | to | ratio |\n|{'---|' * 5}")
    for name, found in times.items():
        cells = f"{median(found):.1f} | {min(found):.1f} | {max(found):.1f}"
        ratio = median(x / y for x, y in zip(found, times[COMMAND], strict=True))
        print(f"| {name} | {cells} | {ratio:.2f} |")
    turns = list(zip(*times.values(), strict=True))
    parts = median(both / (decoding + network) for both, decoding, network, *_ in turns)
    print(f"\n`thaw predict` takes {parts:.2f} × its parts")


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


def trained(archive: Path, weights: Path) -> tuple[Path, list[Path]]:
    """A clone with the trained network, also for Keras, and the photographs as files."""
    settings = "train.freeze_till=all train.hidden_units=[] augment.views=0"
    folder = photographs(archive, weights, settings)
    timed("dvc repro", folder)
    timed("thaw keras", folder)
    return folder, usable(folder)


def typical(paths: list[Path]) -> list[Path]:
    """The photographs of 500 x 375 pixels."""
    return [path for path in paths if Image.open(path).size in ((500, 375), (499, 375))]


def main() -> None:
    """Train, time, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder, paths = trained(options.archive, options.weights)
    one_photograph(folder, typical(paths)[: options.rounds * CALLS], options.rounds)
    many_photographs(folder, paths, options.rounds)
    memory(folder, paths)


if __name__ == "__main__":
    main()
