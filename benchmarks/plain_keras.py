"""Time Thaw against a plain Keras script that trains the entire network with `fit`, alternating.

    python benchmarks/plain_keras.py depths ARCHIVE WEIGHTS [--seeds 0,1,2]
    python benchmarks/plain_keras.py head ARCHIVE WEIGHTS [--seeds 0]

ARCHIVE: a zip of photographs; WEIGHTS: an ImageNet file of MobileNetV2 1.0 without its top at 224
pixels. `depths`: a sweep over `train.freeze_till` on 600 photographs and a view of each, 200 for
validation; head and fine-tuning 3 epochs each. `head`: a frozen base, 3,000 photographs without
views, 20 epochs. Works in a clone in a temporary folder, in which the images are split and the
views made, not counted, for both. Then, for each seed and depth in turn:

- Thaw: all of `dvc repro train`, with the start of Python, DVC and TensorFlow. The first depth has
  the base converted and embedded, each further one its prefix run once.
- The script, in float32 and, with the first seed and where the processor has it, in
  `mixed_bfloat16`: build the network, and fit head, then head and tail, with the same images and
  views, decoder, head, optimiser, rates and epochs, and BatchNorm in inference mode. TensorFlow is
  imported already. Images are decoded once for all depths of a seed, in the first, and cached in
  memory. XLA is off, which on CPUs takes ten times as long; oneDNN and threads are as TensorFlow
  has them, and operations need not be deterministic. A frozen base has no fine-tuning in either.

Prints a Markdown table: seconds (medians over the seeds) and their ratio; the ratio of the
multiply-adds of the two, which is the limit where both compute equally fast; accuracy on validation
at the epoch of the lowest loss (mean, and from lowest to highest over the seeds).
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

import openvino as ov
from clone import timed
from sweeps import photographs

from thaw.tensorflow_log import quiet_import

with quiet_import():
    import keras

from plain_script import Script

from thaw.features.rows import Rows
from thaw.model.base import load_base
from thaw.model.freeze import backbone_info
from thaw.params import Params, load
from thaw.paths import IMAGES, SPLIT, TRAIN, VIEWS


@dataclass(frozen=True)
class Task:
    """What is trained: settings on top of the setup, and depths."""

    settings: str
    depths: tuple[str, ...]


TASKS = {
    "depths": Task(
        "data.limit_per_class=420 split.val=0.2381 split.test=0.0476 augment.views=1 "
        "train.head_epochs=3 train.fine_tune_epochs=3",
        ("all", "143", "134", "125", "116"),
    ),
    "head": Task("augment.views=0 train.head_epochs=20 train.patience=20", ("all",)),
}
THAW, FLOAT32, BFLOAT16 = "Thaw", "float32", "mixed_bfloat16"


@dataclass
class Measured:
    """Results of one method at one depth, in the order of the seeds."""

    seconds: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


Results = dict[tuple[str, str], Measured]  # by method and depth


class Costs:
    """Multiply-adds of the two ways, in forward passes of the entire base over one image."""

    def __init__(self, params: Params, train: int, val: int) -> None:
        base = load_base(params.base)
        self._info, self._costs = backbone_info(base), [multiply_adds(one) for one in base.layers]
        self._train, self._val, self._settings = train, val, params.train

    def _tail(self, depth: str) -> float:
        """The share of the tail."""
        return sum(self._costs[self._info.cut(depth) :]) / sum(self._costs)

    def script(self, depth: str) -> float:
        """The entire network in each epoch; the backward pass of the tail counts twice its own."""
        head, fine = self._settings.head_epochs, self._settings.fine_tune_epochs
        epochs = head + (fine if depth != "all" else 0)
        return epochs * (self._train + self._val) + fine * self._train * 2 * self._tail(depth)

    def thaw(self, depth: str, is_first: bool) -> float:
        """The prefix once, the tail in each epoch; the entire base once for the first depth."""
        tail, images = self._tail(depth), self._train + self._val
        prefix = images * (1 - tail) if depth != "all" else 0
        tails = self._settings.fine_tune_epochs * (3 * self._train + self._val) * tail
        return images * is_first + prefix + tails


def multiply_adds(layer: keras.Layer) -> int:
    """Of a convolution for one image; 0 for other layers, which BatchNorm fused leaves cheap."""
    if not hasattr(layer, "kernel"):
        return 0
    return math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)


def run_thaw(folder: Path, depth: str) -> tuple[float, float]:
    """Seconds of `dvc repro train`, and accuracy on validation."""
    timed(f"thaw use train.freeze_till={depth}", folder)
    seconds = timed("dvc repro train", folder)
    return seconds, json.loads((folder / TRAIN / "best.json").read_text())["val_accuracy"]


def measure(folder: Path, task: Task, seed: int, policies: Sequence[str], results: Results) -> None:
    """Run all methods at all depths in turn, and add what they took and reached to `results`."""
    timed(f"thaw use seed={seed}", folder)
    timed("dvc repro augment", folder)
    params = load(folder / "params.yaml")
    scripts: dict[str, Script] = {}
    for depth in task.depths:
        for method in (THAW, *policies):
            if method == THAW:
                seconds, accuracy = run_thaw(folder, depth)
            else:
                start = time.perf_counter()
                if method not in scripts:
                    scripts[method] = Script(folder, params, method)
                accuracy = scripts[method].train(depth)
                seconds = time.perf_counter() - start
            print(f"{seconds:7.1f} {accuracy:.4f} {depth} {method}", file=sys.stderr, flush=True)
            measured = results.setdefault((method, depth), Measured())
            measured.seconds.append(seconds)
            measured.accuracy.append(accuracy)


def print_table(task: Task, costs: Costs, results: Results) -> None:
    """Print a row for each depth, and their sum."""
    methods = list(dict.fromkeys(method for method, _ in results))
    scripts = methods[1:]
    titles = ["freeze_till", *(f"{name}, s" for name in methods), *(f"{s} / Thaw" for s in scripts)]
    titles += ["limit of operations", *(f"accuracy, {name}" for name in methods)]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    sums, work = dict.fromkeys(methods, 0.0), [0.0, 0.0]
    for depth in task.depths:
        seconds = {name: median(results[name, depth].seconds) for name in methods}
        both = costs.script(depth), costs.thaw(depth, depth == task.depths[0])
        values = [results[name, depth].accuracy for name in methods]
        print_row(depth, seconds, both, [accuracy_text(found) for found in values])
        sums = {name: sums[name] + seconds[name] for name in methods}
        work = [total + more for total, more in zip(work, both, strict=True)]
    if len(task.depths) > 1:
        print_row("all together", sums, work, [""] * len(methods))


def print_row(
    what: str, seconds: dict[str, float], work: Sequence[float], accuracies: list[str]
) -> None:
    """Print a row: seconds, ratios to Thaw, ratio of the multiply-adds, accuracies."""
    ratios = [f"{value / seconds[THAW]:.1f}" for name, value in seconds.items() if name != THAW]
    times = [f"{value:.1f}" for value in seconds.values()]
    limit = f"{work[0] / work[1]:.1f}"
    print(f"| {' | '.join([what, *times, *ratios, limit, *accuracies])} |", flush=True)


def accuracy_text(values: Sequence[float]) -> str:
    """Mean, and range."""
    spread = f" ({min(values):.4f}–{max(values):.4f})" if len(values) > 1 else ""
    return f"{fmean(values):.4f}{spread}"


def count(folder: Path) -> dict[str, int]:
    """Rows of each split, with views."""
    splits = [row.split for row in Rows(folder / IMAGES, folder / SPLIT, folder / VIEWS)]
    return {split: splits.count(split) for split in ("train", "val")}


def main() -> None:
    """Measure all seeds and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("archive", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--seeds", help="default 0,1,2 for depths, 0 for head")
    parser.add_argument("--settings", default="", help="more params, such as train.head_epochs=1")
    options = parser.parse_args()
    task = TASKS[options.task]
    seeds = options.seeds or ("0,1,2" if options.task == "depths" else "0")
    settings = f"{task.settings} split.seed=0 {options.settings}"
    folder = photographs(options.archive, options.weights, settings)
    has_bfloat16 = "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    results: Results = {}
    for index, seed in enumerate(map(int, seeds.split(","))):
        with_bfloat16 = has_bfloat16 and index == 0
        measure(folder, task, seed, [FLOAT32] + [BFLOAT16] * with_bfloat16, results)
    rows = count(folder)
    print(f"{rows['train']} images and views for training, {rows['val']} for validation\n")
    keras.config.set_dtype_policy(FLOAT32)
    print_table(task, Costs(load(folder / "params.yaml"), **rows), results)


if __name__ == "__main__":
    main()
