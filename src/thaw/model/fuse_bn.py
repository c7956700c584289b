"""Fuse BatchNorm in inference mode into the convolution before it."""

import keras
import numpy as np
import tensorflow as tf


class FusedConvolution(keras.layers.Layer):
    """A convolution and the BatchNorm after it, in inference mode, as one convolution.

    With fixed statistics, γ · (W * x + b - μ) / σ + β is a convolution with the kernel W · γ / σ
    and the bias β + (b - μ) · γ / σ (Jacob et al. 2018, eq. 14). W, b, γ and β are the variables
    of the two layers and train as usual; each feature map is read and written once less
    (benchmarks/tricks.py, "BatchNorm fused into convolutions"). μ and σ are constants, taken when
    the layer is created, so load the weights first.
    """

    def __init__(
        self, convolution: keras.layers.Layer, normalisation: keras.layers.BatchNormalization
    ):
        super().__init__()
        self.convolution, self.normalisation = convolution, normalisation
        variance = np.asarray(normalisation.moving_variance) + np.float32(normalisation.epsilon)
        # TensorFlow's rsqrt is approximate, and its last digits differ between processors.
        self.inverse = 1 / np.sqrt(variance)  # 1 / σ
        self.negative_mean = -np.asarray(normalisation.moving_mean)

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Return the output of the two layers, always in inference mode."""
        ops, first, second = keras.ops, self.convolution, self.normalisation
        scale = second.gamma * self.inverse if second.scale else self.inverse
        bias = scale * self.negative_mean
        if second.center:
            bias = second.beta + bias  # in this order, for `bias` may be NumPy's
        if first.use_bias:
            bias = first.bias * scale + bias
        if isinstance(first, keras.layers.DepthwiseConv2D):
            kernel = first.kernel * ops.reshape(scale, first.kernel.shape[2:])
            outputs = ops.depthwise_conv(
                inputs,
                kernel,
                first.strides,
                first.padding,
                first.data_format,
                first.dilation_rate,
            )
        else:
            outputs = first.convolution_op(inputs, first.kernel * scale)
        return tf.nn.bias_add(outputs, bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the output shape of the convolution."""
        return self.convolution.compute_output_shape(input_shape)


def fuse_bn(network: keras.Model) -> keras.Model:
    """Return the same network, with the same variables and BatchNorm fused where possible.

    BatchNorm can be fused if it alone consumes the output of a Conv2D or DepthwiseConv2D that has
    no activation. Other layers are unchanged.
    """
    consumers: dict[int, list[keras.Operation]] = {}
    for operation in network.operations:
        if not isinstance(operation, keras.layers.InputLayer):
            for tensor in keras.tree.flatten(operation.input):
                consumers.setdefault(id(tensor), []).append(operation)
    fused = {}  # convolutions, by the name of the BatchNorm layer that consumes them
    for layer in network.layers:
        is_convolution = type(layer) in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
        if is_convolution and layer.activation is keras.activations.linear:
            match consumers.get(id(layer.output)):
                case [keras.layers.BatchNormalization(name=name)]:
                    fused[name] = layer
    absorbed = {layer.name for layer in fused.values()}

    def replace(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer.name in absorbed:
            return keras.layers.Identity()
        if layer.name in fused:
            return FusedConvolution(fused[layer.name], layer)
        return layer

    return keras.models.clone_model(network, clone_function=replace)
