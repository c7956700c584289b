"""The exported bundle at work; nothing here imports TensorFlow."""
