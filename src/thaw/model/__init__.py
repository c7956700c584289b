"""Backbones, freezing, cached features, training and export, in Keras."""
