"""Backbones, freezing, cached features, training and export, in Keras."""

import gc
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read by TensorFlow when it is imported

# Keras imports these, where they are installed, for wrappers that nothing here uses: a third of
# the time that a stage takes to start. None makes an import fail, which Keras allows for.
_unused = [name for name in ("matplotlib", "sklearn") if name not in sys.modules]
sys.modules.update(dict.fromkeys(_unused))  # type: ignore[arg-type]
gc.disable()
import keras  # noqa: E402, F401

for _name in _unused:
    del sys.modules[_name]

# What was imported stays, so the collector need not go through it: a twelfth of a short training.
gc.freeze()
gc.enable()
