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
    image, square = ImageOps.exif_transpose(Image.open(path)).convert("RGB"), (size, size)
    if resize == "squash":
        small = image.resize(square, BILINEAR)
    elif resize == "crop":
        small = ImageOps.fit(image, square, BILINEAR)
    else:  # pad, with black bars
        scaled = [max(1, round(side * size / max(image.size))) for side in image.size]
        small = ImageOps.pad(image.resize((scaled[0], scaled[1]), BILINEAR), square, BILINEAR)
    return np.asarray(small)[None]


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
        label = "unknown" if score > about["unknown_limit"] else labels[answer]
        print(f"{path}\t{label}\t{probabilities[answer]:.4f}\t{score:.4f}")


if __name__ == "__main__":
    main()
