"""Convert the trained classifier to LiteRT, formerly TensorFlow Lite."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from thaw.backbones import BACKBONES
from thaw.features.head import DenseHead
from thaw.model.base import preprocess
from thaw.model.classifier_onnx import backward_kernels
from thaw.model.fuse_bn import fuse_bn

TINY = 1e-12  # in place of a length of 0, as in thaw.evaluate.unknown


@dataclass(frozen=True)
class Classifier:
    """What the ONNX graph of a bundle computes, written in TensorFlow.

    name: of the base, a row of the table of backbones. reference: the fields of a
    thaw.evaluate.unknown.Reference by their names.
    """

    base: keras.Model
    name: str
    pooling: str
    head: DenseHead
    temperature: float
    reference: Mapping[str, Any]

    def outputs(self, feature_map: tf.Tensor) -> dict[str, tf.Tensor]:
        """The base's feature map (N, h, w, K) → the outputs of a bundle, by name."""
        embedding = tf.reduce_mean(feature_map, (1, 2))
        flat = tf.reshape(feature_map, (feature_map.shape[0], -1))
        *hidden, (kernel, bias) = zip(self.head.weights[::2], self.head.weights[1::2], strict=True)
        layers = [embedding if self.pooling == "average" else flat]
        for hidden_kernel, hidden_bias in hidden:
            layers.append(tf.nn.relu(layers[-1] @ hidden_kernel + hidden_bias))
        scores = (layers[-1] @ kernel + bias) / np.float32(self.temperature)
        return {
            "probabilities": tf.nn.softmax(scores),
            "heatmaps": self._heatmaps(feature_map, layers[1:]),
            "embedding": embedding,
            "unknown_score": unknown_score(embedding, self.reference),
        }

    def _heatmaps(self, feature_map: tf.Tensor, activations: list[tf.Tensor]) -> tf.Tensor:
        """Grad-CAM in closed form, as in thaw.model.classifier_onnx: (N, classes, h, w).

        activations: the outputs of the head's hidden layers.
        """
        images, height, width, channels = feature_map.shape
        *kernels, gradient = backward_kernels(self.head, self.pooling, height * width)
        for active, kernel in zip(reversed(activations), reversed(kernels), strict=True):
            is_active = tf.cast(active > 0, tf.float32)
            gradient = (gradient * is_active[:, None]) @ kernel
        by_position = tf.reshape(feature_map, (images, height * width, channels))
        maps = tf.nn.relu(tf.matmul(by_position, gradient, transpose_b=True))
        return tf.reshape(tf.transpose(maps, (0, 2, 1)), (images, -1, height, width))


def unknown_score(embedding: tf.Tensor, reference: Mapping[str, Any]) -> tf.Tensor:
    """Embedding (N, K) → its unknown score (N,), as thaw.evaluate.unknown computes it."""
    directions, references = (
        reference[name].astype(np.float32) for name in ("directions", "references")
    )
    length = tf.maximum(tf.norm(embedding, axis=1, keepdims=True), TINY)
    centred = embedding / length - reference["centre"]
    inside = centred @ directions
    outside = tf.norm(centred - inside @ directions.T, axis=1) * length[:, 0]
    squares = (references**2).sum(axis=1) - 2 * inside @ references.T
    lowest = -tf.math.top_k(-squares, reference["nearest"]).values
    nearest = lowest + tf.reduce_sum(inside**2, axis=1, keepdims=True)
    distance = tf.reduce_mean(tf.sqrt(tf.nn.relu(nearest)), axis=1)
    return distance * tf.sqrt(outside)


def averaged(outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The outputs of an image and of its flip, (2, …) → their means, (1, …)."""
    maps = outputs["heatmaps"]
    unflipped = {"heatmaps": tf.concat([maps[:1], maps[1:, :, :, ::-1]], 0)}
    return {name: tf.reduce_mean(v, 0, keepdims=True) for name, v in (outputs | unflipped).items()}


def to_litert(classifier: Classifier, tta_flip: bool) -> bytes:
    """The LiteRT file of a classifier, with builtin operations only.

    Input: uint8 RGB `images` (1, S, S, 3), 0–255. Outputs: those of a bundle, by name in the
    file's only signature. tta_flip: they are averaged over the image and its flip; see
    thaw.model.tta_flip. The same classifier gives the same bytes if as many layers were created
    before it in the process, for they have the numbers of Keras.
    """
    base, preprocessing = fuse_bn(classifier.base), BACKBONES[classifier.name].preprocessing
    # Constants, because the converter would leave variables out of the file, without their values.
    trainable, others = (
        [tf.constant(variable.numpy()) for variable in variables]
        for variables in (base.trainable_variables, base.non_trainable_variables)
    )

    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        if tta_flip:
            images = tf.concat([images, images[:, :, ::-1]], 0)
        inputs = preprocess(images, preprocessing)
        feature_map, _ = base.stateless_call(trainable, others, inputs, training=False)
        found = classifier.outputs(feature_map)
        return averaged(found) if tta_flip else found

    images = tf.TensorSpec((1, *base.input_shape[1:]), tf.uint8, name="images")
    traced = tf.function(classify, [images], autograph=False).get_concrete_function()
    # Without an object to save the function with, the converter drops the names.
    return tf.lite.TFLiteConverter.from_concrete_functions([traced], tf.Module()).convert()
