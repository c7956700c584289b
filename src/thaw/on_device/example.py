"""Classify images with LiteRT: `python example.py IMAGE...` needs ai-edge-litert and pillow."""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

folder = Path(__file__).parent
about = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
classify = Interpreter(str(folder / "classifier.tflite")).get_signature_runner()
ways: dict = {"squash": Image.Image.resize, "crop": ImageOps.fit, "pad": ImageOps.pad}

for path in sys.argv[1:]:
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    square = (about["image_size"], about["image_size"])
    small = ways[about["resize"]](image, square, Image.Resampling.BILINEAR)
    found = {name: output[0] for name, output in classify(images=np.asarray(small)[None]).items()}
    answer = int((found["probabilities"] @ np.array(about["costs"])).argmin())
    label = "unknown" if found["unknown_score"] > about["unknown_limit"] else labels[answer]
    print(f"{path}\t{label}\t{found['probabilities'][answer]:.4f}\t{found['unknown_score']:.4f}")
