"""The frozen layers of the base, run once, without Keras."""
