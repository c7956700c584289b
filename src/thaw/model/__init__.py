"""Keras networks: the base, freezing, training, ONNX export. May import `thaw.features` and below.

The only package that imports TensorFlow.
"""
