"""The server that projects of this kind have: Flask, a Keras model loaded once, base64 in JSON.

    python benchmarks/peer_server.py predict|function MODEL PORT

MODEL: a .keras file that takes uint8 images; `predict` answers by `model.predict`, `function` by
the same model as a `tf.function`. Runs on waitress, with as many threads as `thaw serve` has.
"""

import base64
import io
import sys

import numpy as np
from flask import Flask, request
from PIL import Image
from waitress import serve

from thaw.tensorflow_log import quiet_import

with quiet_import():
    import keras
    import tensorflow as tf

THREADS = 16


def main() -> None:
    """Load the model and serve it on loopback."""
    way, path, port = sys.argv[1:]
    model = keras.models.load_model(path)
    side = model.input_shape[1]
    function = tf.function(lambda images: model(images, training=False))
    app = Flask("peer")

    @app.post("/predict")
    def predict() -> dict[str, list[float]]:
        encoded = base64.b64decode(request.get_json()["image"])
        with Image.open(io.BytesIO(encoded)) as image:
            pixels = np.asarray(image.convert("RGB").resize((side, side)))[None]
        if way == "predict":
            found = model.predict(pixels, verbose=0)
        else:
            found = function(tf.constant(pixels)).numpy()
        return {"probabilities": found[0].tolist()}

    @app.get("/health/ready")
    def ready() -> str:
        return "ready"

    serve(app, host="127.0.0.1", port=int(port), threads=THREADS)


if __name__ == "__main__":
    main()
