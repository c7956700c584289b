"""Batch normalisation with fixed statistics, folded into the convolution before it."""

import keras
import tensorflow as tf


class FoldedConvolution(keras.layers.Layer):
    """A convolution and the batch normalisation behind it, in inference mode, as one convolution.

    While the statistics are fixed, γ · (W * x + b - μ) / σ + β is a convolution with the kernel
    W · γ / σ and the bias β + (b - μ) · γ / σ (Jacob et al. 2018, eq. 14). W, b, γ and β are those
    of the two layers, and train as they would apart; feature maps are read and written once less.
    μ and σ are taken when the layer is made, so the weights must be loaded by then.
    """

    def __init__(
        self, convolution: keras.layers.Layer, normalisation: keras.layers.BatchNormalization
    ):
        super().__init__()
        self.convolution, self.normalisation = convolution, normalisation
        variance = normalisation.moving_variance + normalisation.epsilon
        self.inverse = keras.ops.convert_to_numpy(keras.ops.rsqrt(variance))  # 1 / σ
        self.negative_mean = keras.ops.convert_to_numpy(-normalisation.moving_mean)

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """What the two layers make of `inputs`; always in inference mode."""
        ops, first, second = keras.ops, self.convolution, self.normalisation
        scale = second.gamma * self.inverse if second.scale else self.inverse
        bias = scale * self.negative_mean
        if second.center:
            bias = bias + second.beta
        if first.use_bias:
            bias = bias + first.bias * scale
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
        """That of the convolution."""
        return self.convolution.compute_output_shape(input_shape)


def fold(network: keras.Model) -> keras.Model:
    """The same network, of the same layers, with every batch normalisation folded that can be.

    One can be where it alone sees the output of an ordinary or a depthwise convolution that has no
    activation. The others stay as they are.
    """
    seen_by: dict[int, list[keras.Operation]] = {}
    for operation in network.operations:
        if not isinstance(operation, keras.layers.InputLayer):
            for tensor in keras.tree.flatten(operation.input):
                seen_by.setdefault(id(tensor), []).append(operation)
    folded = {}  # the convolution of each normalisation, by the name of the latter
    for layer in network.layers:
        plain = type(layer) in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
        if plain and layer.activation is keras.activations.linear:
            match seen_by.get(id(layer.output)):
                case [keras.layers.BatchNormalization(name=name)]:
                    folded[name] = layer
    absorbed = {layer.name for layer in folded.values()}

    def put(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer.name in absorbed:
            return keras.layers.Identity()
        if layer.name in folded:
            return FoldedConvolution(folded[layer.name], layer)
        return layer

    return keras.models.clone_model(network, clone_function=put)
