"""The bundle: one ONNX graph with probabilities and Grad-CAM heat maps, labels, and hashes."""

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import keras
import onnx

from thaw.files import sha256_of, whole, write_json
from thaw.model.network import pool


class GradCam(keras.layers.Layer):
    """Feature map (N, h, w, K) → one heat map for each class, (N, classes, h, w), not negative.

    Grad-CAM (Selvaraju et al. 2017): the weight of channel k for class c is the mean over all
    positions of the gradient of the score before the softmax, ∂y_c/∂A_ijk (eq. 1); the map is
    ReLU(Σ_k weight_kc · A_k) (eq. 2). The head is a chain of ReLU layers, so that gradient is the
    product of its kernels with the rows of inactive units struck out, and the exported graph
    needs no automatic differentiation. Dropout is not active in inference.
    """

    def __init__(self, head: keras.Model, pooling: str):
        super().__init__(name="gradcam")
        dense = [layer for layer in head.layers if isinstance(layer, keras.layers.Dense)]
        self.hidden, self.softmax, self.pooling = dense[:-1], dense[-1], pooling
        self.pool = pool(pooling)

    def call(self, feature_map: keras.KerasTensor) -> keras.KerasTensor:
        """Apply eq. 1 and 2 to a batch."""
        ops = keras.ops
        _, height, width, channels = feature_map.shape
        x = self.pool(feature_map)
        active = []
        for layer in self.hidden:
            x = layer(x)
            active.append(ops.cast(x > 0, "float32"))
        gradient = ops.transpose(self.softmax.kernel)[None] * ops.ones_like(x[:, None, :])
        for layer, mask in zip(reversed(self.hidden), reversed(active), strict=True):
            gradient = ops.matmul(gradient * mask[:, None, :], ops.transpose(layer.kernel))
        if self.pooling == "average":
            weights = gradient / (height * width)
        else:
            classes = self.softmax.units
            spread = ops.reshape(gradient, (-1, classes, height * width, channels))
            weights = ops.mean(spread, axis=2)
        return ops.relu(ops.einsum("nck,nhwk->nchw", weights, feature_map))


def with_heatmaps(classifier: keras.Model, pooling: str) -> keras.Model:
    """The classifier with a second output: uint8 (N, S, S, 3) → probabilities, heat maps."""
    head = classifier.get_layer("head")
    feature_map = classifier.get_layer("pool").input
    return keras.Model(
        classifier.input,
        {"probabilities": classifier.output, "heatmaps": GradCam(head, pooling)(feature_map)},
    )


def write_bundle(
    folder: Path,
    classifier: keras.Model,
    labels: list[str],
    pooling: str,
    opset: int,
    facts: dict[str, Any],
) -> None:
    """Write model.onnx, labels.json and manifest.json, with the SHA-256 of each part.

    model.onnx takes uint8 RGB `pictures` (N, S, S, 3), 0–255, and gives `probabilities`
    (N, classes) and `heatmaps` (N, classes, h, w), both float32. `facts` go into the manifest.
    """
    with whole(folder) as temporary:
        temporary.mkdir()
        onnx.save(to_onnx(with_heatmaps(classifier, pooling), opset), temporary / "model.onnx")
        write_json(temporary / "labels.json", labels)
        parts = ("model.onnx", "labels.json")
        manifest = facts | {
            "labels": labels,
            "image_size": classifier.input_shape[1],
            "sha256": {name: sha256_of(temporary / name) for name in parts},
        }
        write_json(temporary / "manifest.json", manifest)


def to_onnx(model: keras.Model, opset: int) -> onnx.ModelProto:
    """Export through Keras, with inputs and outputs named as in the model."""
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        path = Path(folder) / "model.onnx"
        signature = [keras.InputSpec("uint8", model.input_shape, name="pictures")]
        model.export(
            path, format="onnx", input_signature=signature, opset_version=opset, verbose=False
        )
        graph = onnx.load(path)
    return graph
