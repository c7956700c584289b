"""Freeze layers of the base, and find where it can be cut."""

import hashlib

import keras
import numpy as np

from thaw.features.backbone_info import BackboneInfo


def backbone_info(base: keras.Model) -> BackboneInfo:
    """Describe `base`, with a SHA-256 of its current weights."""
    digest = hashlib.sha256()
    for weight in base.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return BackboneInfo(
        base.name,
        digest.hexdigest(),
        base.input_shape[1],
        len(base.layers),
        cut_points(base),
    )


def freeze(base: keras.Model, freeze_till: int) -> None:
    """Make the first `freeze_till` layers untrainable and the others trainable."""
    for index, layer in enumerate(base.layers):
        layer.trainable = index >= freeze_till


def cut_points(base: keras.Model) -> list[int]:
    """Every n such that the output of layer n, counted from 1, alone feeds the later layers.

    Operations that are not layers, such as `a + b`, are followed but not numbered; the numbering
    is that of `base.layers`.
    """
    operations = base.operations
    position = {
        id(tensor): index
        for index, operation in enumerate(operations)
        for tensor in keras.tree.flatten(operation.output)
    }
    last_use = [index for index in range(len(operations))]
    for index, operation in enumerate(operations):
        if not isinstance(operation, keras.layers.InputLayer):
            for tensor in keras.tree.flatten(operation.input):
                last_use[position[id(tensor)]] = index
    points, layers, reach = [], 0, 0
    for index, operation in enumerate(operations):
        if isinstance(operation, keras.layers.Layer):
            layers += 1
            if reach <= index:
                points.append(layers)
        reach = max(reach, last_use[index])
    return points


def tail_of(base: keras.Model, cut: int) -> keras.Model:
    """The layers of `base` after the cut point `cut`: activations → feature map.

    The tail shares these layers with `base`, so training it trains the base. Frozen layers stay
    frozen.
    """
    activations = base.layers[cut - 1].output if cut > 0 else base.input
    return keras.Model(activations, base.output, name="tail")


def trainable_parameters(model: keras.Model) -> int:
    """Count the trainable parameters."""
    return sum(weight.shape.num_elements() for weight in model.trainable_weights)
