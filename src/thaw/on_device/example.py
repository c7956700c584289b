"""Classify images with LiteRT: `python example.py IMAGE...`

Takes `pip install ai-edge-litert numpy pillow`, and the files beside it.
"""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

FOLDER, BILINEAR = Path(__file__).parent, Image.Resampling.BILINEAR


def decode(path: str, size: int, resize: str) -> np.ndarray:
    """An image file → upright RGB, uint8 (1, S, S, 3)."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    if resize == "pad":  # black bars
        scaled = [max(1, round(side * size / max(image.size))) for side in image.size]
        image = image.resize((scaled[0], scaled[1]), BILINEAR)
    adapt = {"squash": Image.Image.resize, "crop": ImageOps.fit, "pad": ImageOps.pad}[resize]
    return np.asarray(adapt(image, (size, size), BILINEAR))[None]


def main() -> None:
    """Print a line for each file: its label, the probability of it, the unknown score."""
    about = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
    labels = json.loads((FOLDER / "labels.json").read_text(encoding="utf-8"))
    classify = Interpreter(str(FOLDER / "classifier.tflite")).get_signature_runner()
    for path in sys.argv[1:]:
        found = classify(images=decode(path, about["image_size"], about["resize"]))
        probabilities, score = found["probabilities"][0], float(found["unknown_score"][0])
        costs = probabilities @ np.array(about["costs"])  # expected, of each answer
        answer = int(costs.argmin())
        is_unknown = score > about["unknown_limit"]
        label = "unknown" if is_unknown else labels[answer]
        print(f"{path}\t{label}\t{probabilities[answer]:.4f}\t{score:.4f}")


if __name__ == "__main__":
    main()
