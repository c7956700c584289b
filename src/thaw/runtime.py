"""Compile models with OpenVINO, for the frozen prefix and for the bundle."""

from pathlib import Path

import openvino as ov

from thaw.errors import ThawError
from thaw.files import damage_explained

HINTS = {"float32": "f32", "bfloat16": "bf16"}


def compile_model(model: ov.Model | Path, precision: str, requests: int = 1) -> ov.CompiledModel:
    """Compile a model, or an ONNX file, for this processor at "float32" or "bfloat16".

    requests: how many may run at once; one alone gets all cores. Raises ThawError if the file is
    damaged, and if the processor has no bfloat16, because emulation is slower than float32.
    """
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
        hints |= {"PERFORMANCE_HINT": "THROUGHPUT", "PERFORMANCE_HINT_NUM_REQUESTS": requests}
    return core.compile_model(model, "CPU", hints)
