"""Three stages in place of the pipeline: its outputs in no time, as accurate as the params say.

A deeper `train.freeze_till` is wrong on the images on which a shallower one is, and on more.
"""

import csv
import hashlib
import io
import json
import os
import signal
import sys
from pathlib import Path

import yaml

from thaw.backbones import count_layers

LABELS = ["Cat", "Dog"]
PARTS = ["train"] * 4 + ["val"] * 4 + ["test"] * 2


def hashed(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def data(params: dict) -> None:
    """Images and split."""
    import pyarrow as pa

    from thaw.data.tables import write_table

    rows = [row(number) for number in range(2 * (params["data"]["limit_per_class"] or 200))]
    schema = pa.schema([(name, pa.string()) for name in ("name", "label", "sha256", "group")])
    schema = schema.append(pa.field("bytes", pa.binary()))
    write_table(Path("data/images.parquet"), schema, iter(rows), LABELS)
    seed = params["seed"] if params["split"]["seed"] is None else params["split"]["seed"]
    split = []
    for each in rows:
        place = hashed(f"{seed}/{each['group']}") % 10
        fold = -1 if PARTS[place] == "test" else place % 3
        split.append([each["name"], each["label"], each["group"], PARTS[place], fold])
    write_csv("data/split.csv", ["name", "label", "group", "split", "fold"], split)


def row(number: int) -> dict:
    """A tiny PNG file. Of ten, the last two are duplicates of the two before."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (24, 16), (number % 256, 80, 120)).save(stream, "png")
    name, label = f"{LABELS[number % 2]}/{number}.png", LABELS[number % 2]
    group = f"{label}/{number - 2}.png" if number % 10 >= 8 else name
    return {
        **{"name": name, "label": label, "sha256": name, "group": group},
        "bytes": stream.getvalue(),
    }


def features(params: dict) -> None:
    """What only the next stage needs."""
    Path("data/features").write_bytes(1000 * f"{params['train']['freeze_till']} ".encode())


def model(params: dict) -> None:
    """Predictions, out-of-fold predictions, metrics and learning curves."""
    hold(params)
    if params["train"]["dropout"] == 0.75:
        sys.exit("12:00:00 error in model: the dropout is too high")
    with open("data/split.csv", encoding="utf-8") as stream:
        images = list(csv.DictReader(stream))
    depth = params["train"]["freeze_till"]
    depth = count_layers("MobileNetV2", params["base"]["alpha"]) if depth == "all" else depth
    seed = params["seed"]
    held_out = [predict(one, "split", depth, seed) for one in images if one["split"] != "train"]
    folded = [predict(one, "fold", depth, seed) for one in images if one["split"] != "test"]
    header = ["predicted", *(f"p_{label}" for label in LABELS)]
    write_csv("outputs/predictions.csv", ["name", "label", "split", *header], held_out)
    full = params["crossval"]["full"]
    for path, rows in (("out_of_fold", folded), ("full_out_of_fold", folded if full else [])):
        write_csv(f"outputs/{path}.csv", ["name", "label", "fold", *header], rows)
    write_json("metrics/crossval.json", {"training": "full" if full else "head"})
    write_metrics(held_out, depth)


def hold(params: dict) -> None:
    """Stay here with 5 bins, if HOLD names a file, which then gets the process id."""
    if os.environ.get("HOLD") and params["evaluate"]["bins"] == 5:
        path = Path(os.environ["HOLD"])
        path.with_suffix(".new").write_text(str(os.getpid()))
        path.with_suffix(".new").rename(path)
        signal.pause()


def predict(image: dict, part: str, depth: int, seed: int) -> list:
    """A row of a table of predictions: wrong on depth / 5 % of the images, and on some by seed."""
    number, truth = hashed(image["name"]), LABELS.index(image["label"])
    is_wrong = number % 100 < depth / 5 or (number // 100 + seed) % 50 == 0
    found = 1 - truth if is_wrong else truth
    probabilities = [0.8 if found == label else 0.2 for label in range(2)]
    return [image["name"], image["label"], image[part], LABELS[found], *probabilities]


def write_metrics(held_out: list[list], depth: int) -> None:
    """The metrics and learning curves that a comparison reads."""
    right = {part: [row[1] == row[3] for row in held_out if row[2] == part] for part in PARTS[4:]}
    accuracy, val = (sum(right[part]) / len(right[part]) for part in ("test", "val"))
    headline = {"accuracy": accuracy, "val_accuracy": val, "n": len(right["test"])}
    bounds = {"accuracy_low": accuracy - 0.01, "accuracy_high": accuracy + 0.01}
    write_json("metrics/eval.json", headline | bounds)
    details = {"freeze_till": depth, "trainable_parameters": 1000 - 6 * depth}
    write_json("metrics/details.json", details)
    header = ["epoch", "phase"]
    header += [f"{part}_{name}" for part in ("train", "val") for name in ("loss", "accuracy")]
    rows = [[1, "head", *2 * (0.6, 0.5)], [2, "fine-tuning", *2 * (0.2 + depth / 1000, val)]]
    write_csv("plots/learning_curves.csv", header, rows)


def write_csv(path: str, header: list[str], rows: list[list]) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *rows])


def write_json(path: str, content: dict) -> None:
    Path(path).write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    stage = sys.argv[1]
    for folder in ("data", "outputs", "metrics", "plots"):
        Path(folder).mkdir(exist_ok=True)
    with open("params.yaml", encoding="utf-8") as stream:
        params = yaml.load(stream, yaml.CSafeLoader)
    train, bins = params["train"], params["evaluate"]["bins"]
    with open(os.environ.get("RAN", os.devnull), "a") as ran:
        ran.write(f"{stage} {params['seed']} {train['freeze_till']} {train['dropout']} {bins}\n")
    {"data": data, "features": features, "model": model}[stage](params)
