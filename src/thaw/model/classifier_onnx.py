"""Add head and Grad-CAM to the ONNX graph of a base."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx.helper import make_tensor_value_info
from onnx.numpy_helper import from_array
from onnx.parser import parse_node

from thaw.features.head import DenseHead


def classifier_onnx(base: bytes, head: DenseHead, pooling: str) -> bytes:
    """The ONNX of a classifier with its heatmaps.

    base: ONNX, uint8 RGB `images` (N, S, S, 3), 0–255 → `feature_map` (N, h, w, K). The
    classifier's outputs, float32: `probabilities` (N, classes) and `heatmaps`
    (N, classes, h, w), not negative.

    Grad-CAM (Selvaraju et al. 2017): the weight of channel k for class c is the mean over all
    positions of the gradient of the score before the softmax, ∂y_c/∂A_ijk (eq. 1); the map is
    ReLU(Σ_k weight_kc · A_k) (eq. 2). The head is a chain of ReLU layers, so that gradient is the
    product of its kernels with the rows of inactive units set to zero, and the graph needs no
    automatic differentiation. Pooling and the mean over positions are linear, so the first kernel
    stands for both.
    """
    classifier = onnx.load_model_from_string(base)
    graph = classifier.graph
    sides_of_map = graph.output[0].type.tensor_type.shape.dim[1:]
    height, width, channels = (side.dim_value for side in sides_of_map)
    classes = len(head.weights[-1])
    constants = {"positions": np.array([0, height * width, channels])}
    constants["map_shape"] = np.array([0, classes, height, width])
    constants |= dict(_kernels(head, pooling, height * width))
    nodes = [*_pool(pooling), *_layers(head), *_heatmaps(head)]
    graph.node.extend(map(parse_node, nodes))
    graph.initializer.extend(from_array(array, name) for name, array in constants.items())
    del graph.output[:]
    outputs = {"probabilities": [classes], "heatmaps": [classes, height, width]}
    for name, sides in outputs.items():
        shape = ["batch", *sides]
        graph.output.append(make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    return classifier.SerializeToString(deterministic=True)


def _kernels(head: DenseHead, pooling: str, positions: int) -> Iterator[tuple[str, np.ndarray]]:
    """Kernels and biases, and the kernels that the gradient is multiplied by."""
    yield "zero", np.zeros(1, np.float32)
    backward = backward_kernels(head, pooling, positions)
    for number, kernel in enumerate(head.weights[::2]):
        yield f"kernel_{number}", kernel
        yield f"bias_{number}", head.weights[2 * number + 1]
        yield f"backward_{number}", backward[number]


def backward_kernels(head: DenseHead, pooling: str, positions: int) -> list[np.ndarray]:
    """What the gradient is multiplied by on its way back, for each dense layer, first to last.

    The first one stands for the pooling too, and for the mean over the positions.
    """
    first, *others = (kernel.T for kernel in head.weights[::2])
    if pooling == "average":
        first = first / np.float32(positions)
    else:
        first = first.reshape(len(first), positions, -1).mean(axis=1)
    return [np.ascontiguousarray(kernel) for kernel in (first, *others)]


def _pool(pooling: str) -> Iterator[str]:
    if pooling == "average":
        yield "height_and_width = Constant <value_ints = [1, 2]> ()"
        yield "layer_0 = ReduceMean <keepdims = 0> (feature_map, height_and_width)"
    else:
        yield "flat = Constant <value_ints = [0, -1]> ()"
        yield "layer_0 = Reshape (feature_map, flat)"


def _layers(head: DenseHead) -> Iterator[str]:
    last = len(head.weights) // 2 - 1
    for n in range(last):
        yield f"sum_{n} = Gemm (layer_{n}, kernel_{n}, bias_{n})"
        yield f"layer_{n + 1} = Relu (sum_{n})"
    yield f"scores = Gemm (layer_{last}, kernel_{last}, bias_{last})"
    yield "probabilities = Softmax <axis = -1> (scores)"


def _heatmaps(head: DenseHead) -> Iterator[str]:
    last = len(head.weights) // 2 - 1
    gradient = f"backward_{last}"  # (classes, units), or (classes, K), the same for each image
    for n in reversed(range(last)):
        yield f"is_active_{n} = Greater (layer_{n + 1}, zero)"
        yield f"active_{n} = Cast <to = 1> (is_active_{n})"
        yield f"class_axis_{n} = Constant <value_ints = [1]> ()"
        yield f"active_each_{n} = Unsqueeze (active_{n}, class_axis_{n})"
        yield f"masked_{n} = Mul ({gradient}, active_each_{n})"
        yield f"gradient_{n} = MatMul (masked_{n}, backward_{n})"
        gradient = f"gradient_{n}"
    yield "by_position = Reshape (feature_map, positions)"
    yield "by_channel = Transpose <perm = [0, 2, 1]> (by_position)"
    yield f"sums = MatMul ({gradient}, by_channel)"
    yield "maps = Relu (sums)"
    yield "heatmaps = Reshape (maps, map_shape)"
