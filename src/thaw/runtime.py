"""Compile models with OpenVINO, for the frozen prefix and for the bundle."""

from pathlib import Path

import openvino as ov

from thaw.errors import ThawError
from thaw.files import damage_explained

HINTS = {"float32": "f32", "bfloat16": "bf16"}


def compile_model(
    model: ov.Model | Path, precision: str, performance: str = "LATENCY"
) -> ov.CompiledModel:
    """Compile a model, or an ONNX file, for this processor at "float32" or "bfloat16".

    performance: LATENCY for one request at a time, THROUGHPUT for several at once.

    Raises ThawError if the file is damaged, and if the processor has no bfloat16, because
    emulation is slower than float32.
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
    hints = {"INFERENCE_PRECISION_HINT": HINTS[precision], "PERFORMANCE_HINT": performance}
    return core.compile_model(model, "CPU", hints)
