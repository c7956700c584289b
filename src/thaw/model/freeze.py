"""Where a frozen network is cut in two, and which of its layers train."""

from dataclasses import dataclass

import keras

from thaw.errors import ThawError


@dataclass(frozen=True)
class Halves:
    """A base cut into what runs once (`prefix`) and what is trained (`tail`); layers are shared.

    cut: the number of layers, counted from the input, in the prefix. 1 or less means the prefix
        is only the input, so that the tail is the whole base.
    prefix: float32 (N, S, S, 3) → activations, or None when it holds nothing but the input.
    tail: activations → feature map (N, h, w, K), or None when nothing follows the cut.
    """

    cut: int
    prefix: keras.Model | None
    tail: keras.Model | None


def frozen_layers(base: keras.Model, freeze_till: int | str) -> int:
    """`freeze_till` as a number of layers; raises ThawError when the base has fewer."""
    count = len(base.layers)
    if freeze_till == "all":
        return count
    if not 0 <= int(freeze_till) <= count:
        raise ThawError(
            f"train.freeze_till must be from 0 to {count}, the layers of {base.name}, or all, "
            f"but is {freeze_till}"
        )
    return int(freeze_till)


def freeze(base: keras.Model, freeze_till: int) -> None:
    """Set `trainable` layer by layer: the first `freeze_till` layers stay as they are."""
    for index, layer in enumerate(base.layers):
        layer.trainable = index >= freeze_till


def narrow_points(base: keras.Model) -> list[int]:
    """Every n such that one tensor, the output of layer n - 1, is all that later layers see.

    Operations that are not layers (an addition written as `a + b`) count in the flow but not in
    the numbering, which is that of `base.layers`.
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


def cut(base: keras.Model, freeze_till: int) -> Halves:
    """Cut `base` at the last narrow point at or before `freeze_till`.

    Frozen layers after the cut stay frozen in the tail. The tail is the same graph with the same
    layers, so prefix followed by tail computes what `base` computes.
    """
    point = max((n for n in narrow_points(base) if n <= freeze_till), default=0)
    middle = base.layers[point - 1].output if point > 0 else base.input
    return Halves(
        cut=point,
        prefix=keras.Model(base.input, middle, name="prefix") if point > 1 else None,
        tail=keras.Model(middle, base.output, name="tail") if point < len(base.layers) else None,
    )


def trainable_parameters(model: keras.Model) -> int:
    """The number of values that training may change."""
    return sum(weight.shape.num_elements() for weight in model.trainable_weights)
