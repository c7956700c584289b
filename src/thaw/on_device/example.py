"""Classify images with LiteRT: `python example.py IMAGE...` needs ai-edge-litert and pillow."""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

WAYS: dict = {"squash": Image.Image.resize, "crop": ImageOps.fit, "pad": ImageOps.pad}

if __name__ == "__main__":
    folder = Path(__file__).parent
    about = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    classify = Interpreter(str(folder / "classifier.tflite")).get_signature_runner()
    for path in sys.argv[1:]:
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        size = (about["image_size"], about["image_size"])
        small = WAYS[about["resize"]](image, size, Image.Resampling.BILINEAR)
        found = {name: value[0] for name, value in classify(images=np.asarray(small)[None]).items()}
        p, score = found["probabilities"], found["unknown_score"]
        expected = p @ np.array(about["costs"])
        answer, most_risk = expected.argmin(), about["most_risk"]
        label = "unsure" if most_risk is not None and expected.min() > most_risk else labels[answer]
        label = "unknown" if score > about["unknown_limit"] else label
        print(f"{path}\t{label}\t{p[answer]:.4f}\t{score:.4f}")
