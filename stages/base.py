"""Write the pre-trained base as a graph that can be cut at any cut point, and as ONNX."""

import gc

gc.disable()  # until `run`: what the imports create stays

import logging

from thaw.tensorflow_log import quiet_import

with quiet_import():
    import keras

from thaw.files import atomic_write
from thaw.model.base import load_base
from thaw.model.network import as_graph
from thaw.model.to_onnx import base_to_onnx
from thaw.params import Params
from thaw.paths import BASE, BASE_ONNX
from thaw.stage import leave, run


def main(params: Params) -> None:
    """Write models/base and models/base.onnx."""
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    keras.utils.set_random_seed(params.seed)
    base = load_base(params.base)
    as_graph(base, params.base.name).write(BASE)
    with atomic_write(BASE_ONNX) as temporary:
        temporary.write_bytes(base_to_onnx(base, params.base.name))


if __name__ == "__main__":
    run("base", main)
    leave()
