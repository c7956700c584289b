"""The trained weights in a file of their own, from which Keras' model can be built again."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from thaw.features.head import DenseHead
from thaw.files import atomic_write, damage_explained
from thaw.model.head_phase import Trained

HEAD, BASE = "head/", "base/"


def write_weights(path: Path, trained: Trained) -> None:
    """Write the head's weights and, if its tail was trained, the base's. Deterministic bytes."""
    arrays = {f"{HEAD}{number}": array for number, array in enumerate(trained.head.weights)}
    arrays |= {f"{BASE}{name}": array for name, array in trained.base_weights.items()}
    with atomic_write(path) as temporary:
        temporary.write_bytes(save({k: np.asarray(v, order="C") for k, v in arrays.items()}))


def read_weights(path: Path) -> tuple[DenseHead, dict[str, np.ndarray]]:
    """The head, and the base's weights by their paths in Keras, none if it was frozen."""
    with damage_explained(path):
        arrays = load(path.read_bytes())
        of_base = {k.removeprefix(BASE): v for k, v in arrays.items() if k.startswith(BASE)}
        count = len(arrays) - len(of_base)
        return DenseHead([arrays[f"{HEAD}{number}"] for number in range(count)]), of_base
