"""A repository of Git and DVC whose two stages take no time."""

import shutil

from project import ROOT, run

PIPELINE = """\
stages:
  prepare:
    cmd: python stage.py prepare
    deps: [stage.py, '${data.watch}']
    params: [seed, train.freeze_till]
    outs: [data/prepared]
  evaluate:
    cmd: python stage.py evaluate
    deps: [stage.py, data/prepared]
    params: [train.dropout, evaluate.bins]
    outs: [outputs/predictions.csv]
    metrics:
      - metrics/eval.json: {cache: false}
"""
STAGE = """\
import json, os, pathlib, signal, sys
import yaml

params = yaml.safe_load(open("params.yaml"))
stage, seed, depth = sys.argv[1], params["seed"], params["train"]["freeze_till"]
dropout, bins = params["train"]["dropout"], params["evaluate"]["bins"]
with open(os.environ.get("RAN", os.devnull), "a") as ran:
    ran.write(f"{stage} {seed} {depth} {dropout} {bins}\\n")
if os.environ.get("HOLD") and stage == "evaluate" and bins == 5:
    with open(os.environ["HOLD"], "w") as fifo:
        fifo.write(str(os.getpid()))
    signal.pause()
if dropout == 0.75:
    sys.exit("12:00:00 error in evaluate: the dropout is too high")
for folder in ("data", "outputs", "metrics"):
    pathlib.Path(folder).mkdir(exist_ok=True)
if stage == "prepare":
    pathlib.Path("data/prepared").write_bytes(1000 * f"{seed} {depth} ".encode())
else:
    pathlib.Path("outputs/predictions.csv").write_text(f"{seed} {depth} {dropout} {bins}")
    metrics = {"accuracy": 1 - bins / 100, "val_accuracy": (bins - seed % 3) / 100}
    pathlib.Path("metrics/eval.json").write_text(json.dumps(metrics))
"""


def make_repository(folder):
    """Write it into a folder, and run it once."""
    shutil.copytree(ROOT / "setups", folder / "setups")
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copy(ROOT / "setups/sample.yaml", folder / "params.yaml")
    (folder / "src").symlink_to(ROOT / "src")  # for the command; the stages need nothing of it
    with (folder / ".gitignore").open("a") as ignored:
        ignored.write("/src\n")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "stage.py").write_text(STAGE)
    run("git init -q && git config user.email a@b.c && git config user.name Test", folder)
    run("thaw use data.watch=stage.py data.watch_table=stage.py", folder)
    run("dvc repro -q && git add -A && git commit -qm start", folder)
