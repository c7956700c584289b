"""Plots take class names of any script and number."""

import numpy as np
import pandas as pd
from PIL import Image

from thaw.decision import DecisionRule
from thaw.evaluate.curves import tables
from thaw.evaluate.gallery import draw_gradcam, draw_mistakes
from thaw.evaluate.gradcam import Explained
from thaw.evaluate.mistakes import worst_mistakes
from thaw.evaluate.plots import draw_overview
from thaw.evaluate.predictions import Predictions

METRICS = {"accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6, "n": 10}
HISTORY = pd.DataFrame(
    {"phase": ["head"] * 2, "epoch": [1, 2]}
    | {f"{split}_{name}": [0.5, 0.4] for split in ("train", "val") for name in ("loss", "accuracy")}
)


def flat_predictions(labels, each):
    """Random predictions of `each` test images of each class, named by a flat path."""
    truth = np.repeat(np.arange(len(labels)), each)
    probabilities = np.random.default_rng(0).dirichlet(np.ones(len(labels)), len(truth))
    names = [f"images/{n}.jpg" for n in range(len(truth))]
    split = np.array(["test"] * len(truth), dtype=object)
    return Predictions(labels, names, split, truth, probabilities.astype(np.float32))


def draw_all(folder, labels, each):
    test = flat_predictions(labels, each)
    drawn = tables(test, 5, 1.5, DecisionRule()) | {"learning_curves": HISTORY}
    draw_overview(folder / "overview.png", METRICS, test, drawn)
    chosen = worst_mistakes(test, 6)
    grey = np.full((20, 20, 3), 99, np.uint8)
    draw_mistakes(folder / "mistakes.png", test, chosen, dict.fromkeys(test.names, grey))
    heatmaps = np.ones((len(test.names), len(labels), 2, 2), np.float32)
    draw_gradcam(
        folder / "gradcam.png", Explained(test, np.stack([grey] * len(test.names)), heatmaps)
    )
    sizes = {}
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            sizes[path.stem] = image.size
    return sizes


def test_names_of_any_script_are_drawn_without_a_warning(tmp_path):
    labels = ["犬", "\U0001f9ed", 'a, "b"/c', "..d", "$e$"]
    assert set(draw_all(tmp_path, labels, 3)) == {"overview", "mistakes", "gradcam"}


def test_a_thousand_classes_are_drawn(tmp_path):
    sizes = draw_all(tmp_path, [f"class {n}" for n in range(1000)], 1)
    assert max(max(size) for size in sizes.values()) < 10_000


def test_the_caption_of_a_mistake_names_the_true_class(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        "thaw.evaluate.gallery.caption", lambda axes, text, *_, **__: written.append(text)
    )
    test = flat_predictions(["Cat", "Dog"], 4)
    grey = np.full((20, 20, 3), 99, np.uint8)
    draw_mistakes(
        tmp_path / "m.png", test, worst_mistakes(test, 1), dict.fromkeys(test.names, grey)
    )
    [_, true] = written
    assert true.startswith(("true Cat images/", "true Dog images/"))
