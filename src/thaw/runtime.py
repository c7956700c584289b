"""Run models with OpenVINO: the frozen prefix and the bundle."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import openvino as ov

from thaw.errors import ThawError
from thaw.files import damage_explained

HINTS = {"float32": "f32", "bfloat16": "bf16"}
AHEAD = 64  # items that are read before their turn; their results wait in memory

T = TypeVar("T")
R = TypeVar("R")


class Network:
    """A model, or an ONNX file, compiled for this processor at "float32" or "bfloat16".

    Each image runs alone, so that no result depends on the other images; for one image several
    at once are faster than several as one batch, whose activations do not fit the cache.
    requests: how many run at once, on one core each; one alone gets all cores. Raises ThawError if
    the file is damaged, and if the processor has no bfloat16, because emulation is slower than
    float32.
    """

    def __init__(self, model: ov.Model | Path, precision: str, requests: int = 1) -> None:
        core = ov.Core()
        if isinstance(model, Path):
            with damage_explained(model):
                model = core.read_model(model)
        if precision == "bfloat16" and "BF16" not in core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            raise ThawError(
                "bfloat16 needs a processor with bfloat16 instructions, and this one has none: set "
                "compute.precision to float32 and run the pipeline again"
            )
        hints: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": HINTS[precision]}
        if requests > 1:
            hints |= {"NUM_STREAMS": requests, "INFERENCE_NUM_THREADS": requests}
        self._compiled = core.compile_model(model, "CPU", hints)
        self._requests = requests

    def run(self, image: np.ndarray) -> Any:
        """uint8 (S, S, 3) → the outputs, by name or by number, each (1, …)."""
        return self._compiled.infer_new_request(image[None])

    def each(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield work(item), in order. `work` calls `run`, and what else it does runs in parallel.

        Items are read at most AHEAD ahead, which bounds memory.
        """
        if self._requests == 1:
            yield from map(work, items)
            return
        with ThreadPoolExecutor(self._requests + 1) as pool:  # one may wait for a core
            pending: deque[Future[R]] = deque()
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
