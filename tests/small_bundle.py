"""A bundle that names the strongest colour of an image, and finds white ones strange."""

from pathlib import Path

import onnx.parser
from PIL import Image

from thaw.bundle import write_bundle

SIDE = 32
LABELS = ["red", "green", "blue"]
COLOURS = """
<ir_version: 9, opset_import: ["": 18]>
colours (uint8[N, 32, 32, 3] images)
 => (float[N, 3] probabilities, float[N, 3, 32, 32] heatmaps, float[N] unknown_score)
<float scale = {0.02}, int64[2] sides = {2, 3}, int64[1] column = {1}> {
  pixels = Cast <to = 1> (images)
  heatmaps = Transpose <perm = [0, 3, 1, 2]> (pixels)
  means = ReduceMean <keepdims = 0> (heatmaps, sides)
  scores = Mul (means, scale)
  probabilities = Softmax <axis = 1> (scores)
  unknown_score = ReduceMin <keepdims = 0> (means, column)
}
"""


def write_colours(folder: Path, **manifest) -> Path:
    """Write the bundle. An image whose weakest colour is above 200 is unknown."""
    content = {"image_size": SIDE, "precision": "float32", "unknown": {"limit": 200}} | manifest
    write_bundle(folder, onnx.parser.parse_model(COLOURS).SerializeToString(), LABELS, content)
    return folder


def save_colours(folder: Path, count: int = 4) -> list[Path]:
    """Save images of `count` shades of each colour in class folders; their paths, sorted."""
    paths = []
    for channel, label in enumerate(LABELS):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            rgb = [20, 20, 20]
            rgb[channel] = 90 + 30 * number
            path = folder / label / f"{number}.png"
            Image.new("RGB", (50, 40), tuple(rgb)).save(path)
            paths.append(path)
    return sorted(paths)
