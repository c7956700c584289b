"""Run models with OpenVINO: the frozen prefix and the bundle."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import openvino as ov

from thaw.errors import ThawError
from thaw.files import damage_explained

HINTS = {"float32": "f32", "bfloat16": "bf16"}
# Two give the digits of one. From three on OpenVINO divides some sums among them, and the last
# digits depend on their number: benchmarks/threads.py.
MOST_THREADS = 2

T = TypeVar("T")
R = TypeVar("R")


def limit_instructions(max_cpu_isa: str) -> None:
    """Let this process run networks with no newer instructions: "AVX2", or "ALL" of the processor.

    A bundle is run as it was evaluated, because other instructions give other last digits. oneDNN
    reads the variable once, with its first network; one that is set already stays.
    """
    if max_cpu_isa != "ALL":
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", max_cpu_isa)


def read_model(path: Path) -> ov.Model:
    """Read an ONNX file. Raises ThawError if it is damaged."""
    with damage_explained(path):
        return ov.Core().read_model(path)


class Network:
    """A model, or an ONNX file, compiled for this processor at "float32" or "bfloat16".

    Each image runs alone, so that no result depends on the other images; several at once are
    faster than several as one batch, whose activations do not fit the cache. requests: how many run
    at once. threads: for each of them, at most MOST_THREADS. Raises ThawError if the file is
    damaged, and if the processor has no bfloat16, because emulation is slower than float32.
    """

    def __init__(
        self, model: ov.Model | Path, precision: str, requests: int = 1, threads: int = 1
    ) -> None:
        core = ov.Core()
        if isinstance(model, Path):
            model = read_model(model)
        if precision == "bfloat16" and "BF16" not in core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            raise ThawError(
                "bfloat16 needs a processor with bfloat16 instructions, and this one has none: set "
                "compute.precision to float32 and run the pipeline again"
            )
        hints = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "NUM_STREAMS": requests,
            "INFERENCE_NUM_THREADS": requests * min(threads, MOST_THREADS),
        }
        self._compiled = core.compile_model(model, "CPU", hints)
        # Two threads that are the first to read an array in OpenVINO wait for each other for ever.
        _ = ov.Tensor(np.zeros(1, np.uint8)).data
        self._pool = ThreadPoolExecutor(requests + 1)  # one more, for the time between two runs

    def infer(self, image: np.ndarray) -> Any:
        """uint8 (S, S, 3) → the outputs, by name or by number, each (1, …)."""
        return self._compiled.infer_new_request(image[None])

    def start(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Start work(item), which calls `infer`, for all items; return the results, in order.

        What else `work` does, such as decoding, runs in parallel. An exception of an item is
        raised in place of its result.
        """
        return self._pool.map(work, items)

    def close(self) -> None:
        """Drop what has started and does not run yet; nothing can be started afterwards."""
        self._pool.shutdown(cancel_futures=True)
