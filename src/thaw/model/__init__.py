"""The networks in Keras: base, freezing, training, ONNX. May import features and all below it.

The one room that imports TensorFlow.
"""
