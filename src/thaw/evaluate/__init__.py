"""Metrics and plots over plain arrays; nothing here imports TensorFlow."""
