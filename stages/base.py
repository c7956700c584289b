"""Write the pre-trained base as a graph that can be cut at any cut point, without Keras."""

import gc

gc.disable()  # as in stages/train.py

from thaw.tensorflow_log import quiet_import

with quiet_import():
    import keras

from thaw.model.base import load_base
from thaw.model.network import as_graph
from thaw.params import Params
from thaw.paths import BASE
from thaw.stage import run


def main(params: Params) -> None:
    """Write models/base."""
    gc.freeze()
    gc.enable()
    keras.utils.set_random_seed(params.seed)
    as_graph(load_base(params.base), params.base.name).write(BASE)


if __name__ == "__main__":
    run("base", main)
