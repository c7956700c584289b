"""A small repository with what the pipeline writes, made by the package's own functions."""

import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from project import ROOT
from small_bundle import LABELS, write_colours

from thaw.bundle import bundle_sha256
from thaw.data.archive import open_members
from thaw.data.dataset import summary, write_images, write_inventory
from thaw.data.ingest import collect
from thaw.data.split import make_split
from thaw.data.tables import read_images, read_rows, write_split
from thaw.evaluate.audit_lists import COLUMNS, QUALITY
from thaw.evaluate.gradcam import explain, write_explained
from thaw.evaluate.label_audit import label_list, ranking
from thaw.evaluate.predictions import predict, write_predictions
from thaw.files import read_json, write_json
from thaw.params import load
from thaw.paths import (
    AUDIT,
    BUNDLE,
    BUNDLE_METRICS,
    EXPLAIN,
    IMAGES,
    INGEST_SUMMARY,
    INVENTORY,
    LOCK,
    PREDICTIONS,
    SPLIT,
)
from thaw.serving.predictor import Predictor

COUNT = 30  # images of each class
ODD_NAME = 'a *b* $c$ "d", [e].png'


def encode(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "png")
    return stream.getvalue()


def draw(rng: np.random.Generator, channel: int) -> Image.Image:
    """Coarse noise in which a channel is the strongest."""
    pixels = rng.integers(0, 120, (6, 6, 3))
    pixels[..., channel] += 120
    return Image.fromarray(pixels.astype(np.uint8)).resize((48, 36), Image.Resampling.NEAREST)


def write_source(folder: Path) -> None:
    """Class folders. Of each class every second image shows another class; some files are bad."""
    rng = np.random.default_rng(1)
    for channel, label in enumerate(LABELS):
        (folder / label).mkdir(parents=True)
        for number in range(COUNT):
            shown = (channel + 1) % 3 if number % 2 == 0 else channel
            name = ODD_NAME if (label, number) == ("red", 0) else f"{number}.png"
            (folder / label / name).write_bytes(encode(draw(rng, shown)))
    first = folder / "red" / "1.png"
    shutil.copy(first, folder / "red" / "copy.png")
    near = np.asarray(Image.open(first)).copy()
    near[0, 0] += 1
    (folder / "red" / "near.png").write_bytes(encode(Image.fromarray(near)))
    (folder / "green" / "empty.png").write_bytes(b"")
    (folder / "blue" / "notes.txt").write_text("x")


def make_results(root: Path) -> None:
    """Write them into the working folder, which is `root`."""
    shutil.copy(ROOT / "setups/sample.yaml", root / "params.yaml")
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / LOCK).write_text(str(root))
    write_source(root / "source")
    params = load()
    with open_members(root / "source") as members:
        dataset = collect(members, params.data, 1)
        write_images(IMAGES, members, dataset)
    write_inventory(INVENTORY, dataset.inventory)
    write_json(INGEST_SUMMARY, summary(dataset))
    table = make_split(read_images(IMAGES).assign(given="train"), 0.2, 0.4, 3, 1)
    write_split(SPLIT, table, IMAGES)
    write_colours(BUNDLE)
    predictor = Predictor(BUNDLE)
    split = table.set_index("name")["split"].to_dict()
    found = predict(predictor, read_rows(IMAGES, ["name", "label", "bytes"]), split)
    write_predictions(PREDICTIONS, found)
    sha256 = bundle_sha256(read_json(BUNDLE / "manifest.json"))
    write_json(BUNDLE_METRICS, {"bundle": sha256, "metrics": {}})
    rows = read_rows(IMAGES, ["name", "label", "bytes"], set(found.subset("test").names[:2]))
    write_explained(EXPLAIN, explain(predictor, list(rows)))
    write_audit(pd.concat([label_list(val := found.subset("val")), quality(val)]))


def quality(found) -> pd.DataFrame:
    reasons = ["dark", *[""] * (len(found.names) - 1)]
    return ranking(QUALITY, found, np.linspace(1, 0, len(reasons)), reasons)


def write_audit(audit: pd.DataFrame) -> None:
    audit[list(COLUMNS)].to_csv(AUDIT, index=False, lineterminator="\n")
