"""From bytes to pictures, splits and views; nothing here imports TensorFlow."""
