"""A real repository of Git and DVC whose two stages take no time: images, and a bundle of them.

As a program it is those stages. The bundle names colours, right if `train.dropout` is below 0.5.
"""

import hashlib
import io
import json
import os
import shutil
import signal
import sys
from pathlib import Path

COUNT = 900  # images
PROGRAM = Path(__file__)
OUTS = {
    "data": ["data/images.parquet", "data/split.csv"],
    "model": ["models/bundle"],
}


def make_repository(folder: Path) -> Path:
    """Write it into a new folder and commit; nothing has run."""
    import yaml
    from project import ROOT, run

    folder.mkdir()
    shutil.copytree(ROOT / "setups", folder / "setups")
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copy(ROOT / "setups/sample.yaml", folder / "params.yaml")
    for program in (PROGRAM, PROGRAM.with_name("small_bundle.py")):
        shutil.copy(program, folder)
    (folder / "src").symlink_to(ROOT / "src")
    stages = {
        name: {"cmd": f"python {PROGRAM.name} {name}", "deps": [PROGRAM.name], "outs": outs}
        for name, outs in OUTS.items()
    }
    stages["model"]["deps"] += OUTS["data"]
    stages["model"]["params"] = ["seed", "train.dropout", "evaluate.bins", "train.head_epochs"]
    stages["model"]["metrics"] = [{"metrics/eval.json": {"cache": False}}]
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    with (folder / ".gitignore").open("a") as ignored:
        ignored.write("/src\n")
    run("git init -q && git config user.email a@b.c && git config user.name Test", folder)
    run("git add -A && git commit -qm start", folder)
    return folder


def data() -> None:
    """Images of three colours, and their split: a third each, of which a tenth are duplicates."""
    import pyarrow as pa
    from PIL import Image
    from small_bundle import LABELS

    from thaw.data.tables import write_table

    rows = []
    for number in range(COUNT):
        rgb = [20, 20, 20]
        rgb[number % 3] = 60 + number // 5
        stream = io.BytesIO()
        Image.new("RGB", (4, 4), tuple(rgb)).save(stream, "png")
        label, content = LABELS[number % 3], stream.getvalue()
        sha256 = hashlib.sha256(content + str(number).encode()).hexdigest()
        name = f"{label}/{number:03}.png"
        group = f"{label}/{number - 9:03}.png" if number % 90 >= 81 else name
        rows.append(dict(name=name, label=label, sha256=sha256, group=group, bytes=content))
    schema = pa.schema([(name, pa.string()) for name in ("name", "label", "sha256", "group")])
    schema = schema.append(pa.field("bytes", pa.binary()))
    Path("data").mkdir(exist_ok=True)
    write_table(Path("data/images.parquet"), schema, iter(rows), LABELS)
    lines = ["name,label,group,split,fold"]
    for number, row in enumerate(rows):
        part, fold = [("train", 0), ("val", 1), ("test", -1)][number // 3 % 3]
        lines.append(",".join([row["name"], row["label"], row["group"], part, str(fold)]))
    Path("data/split.csv").write_text("\n".join(lines) + "\n")


def model() -> None:
    """The bundle, unless the params tell it to fail, or to stay here."""
    import onnx.parser
    import yaml
    from small_bundle import COLOURS, LABELS, SIDE

    from thaw.bundle import write_bundle
    from thaw.data.tables import read_rows

    params = yaml.safe_load(Path("params.yaml").read_text())
    dropout = params["train"]["dropout"]
    if params["train"]["head_epochs"] == 999:
        path = Path(os.environ["HOLD"])
        path.with_suffix(".new").write_text(str(os.getpid()))
        path.with_suffix(".new").rename(path)
        signal.pause()
    if dropout == 0.75:
        sys.exit("12:00:00 error in model: the dropout is too high")
    text = COLOURS if dropout < 0.5 else COLOURS.replace("{0.02}", "{-0.02}")
    split = [line.split(",") for line in Path("data/split.csv").read_text().splitlines()[1:]]
    seen = {row[0] for row in split if row[3] != "test"}
    rows = read_rows("data/images.parquet", ["name", "sha256"])
    hashes = [row["sha256"] for row in rows if row["name"] in seen]
    manifest = {"image_size": SIDE, "precision": "float32", "training": {"seed": params["seed"]}}
    bundle = onnx.parser.parse_model(text).SerializeToString()
    write_bundle(Path("models/bundle"), bundle, LABELS, manifest, hashes)
    Path("metrics").mkdir(exist_ok=True)
    Path("metrics/eval.json").write_text(json.dumps({"accuracy": 1.0 - dropout}))


if __name__ == "__main__":
    {"data": data, "model": model}[sys.argv[1]]()
