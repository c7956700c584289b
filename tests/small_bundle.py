"""A bundle that is written in milliseconds: it tells dark images from bright ones."""

from pathlib import Path

import onnx.parser

from thaw.bundle import write_bundle

BRIGHTNESS = """
<ir_version: 9, opset_import: ["": 18]>
brightness (uint8[N, 32, 32, 3] images) => (float[N, 2] probabilities, float[N, 2, 4, 4] heatmaps)
<float slope = {-0.0625}, float middle = {127.5}, int64[3] all = {1, 2, 3}, int64[1] column = {1},
 int64[2] sides = {2, 3}, int64[4] tiles = {1, 1, 4, 4}> {
  pixels = Cast <to = 1> (images)
  mean = ReduceMean <keepdims = 0> (pixels, all)
  means = Unsqueeze (mean, column)
  dark = Sub (middle, means)
  bright = Mul (dark, slope)
  scores = Concat <axis = 1> (dark, bright)
  probabilities = Softmax <axis = 1> (scores)
  points = Unsqueeze (probabilities, sides)
  heatmaps = Tile (points, tiles)
}
"""
NEEDED = {"image_size": 32, "precision": "float32"}  # what a manifest has at least


def write_brightness(folder: Path, **manifest: object) -> None:
    """Write the bundle, with more in its manifest if given. It has seen two images."""
    model = onnx.parser.parse_model(BRIGHTNESS).SerializeToString()
    write_bundle(folder, model, ["black", "white"], NEEDED | manifest, [64 * "a", 64 * "b"])
