"""A real repository of Git and DVC with a small pipeline, and experiments of it."""

import shutil
from pathlib import Path

import yaml
from project import ROOT, run

PROGRAM = "small_pipeline.py"
STAGES = {
    "data": {
        "deps": ["${data.watch}"],
        "params": ["seed", "data", "split"],
        "outs": ["data/images.parquet", "data/split.csv"],
    },
    "features": {
        "deps": ["data/split.csv"],
        "params": ["train.freeze_till"],
        "outs": ["data/features"],
    },
    "model": {
        "deps": ["data/split.csv", "data/features"],
        "params": ["seed", "base", "train", "crossval", "evaluate.bins"],
        "outs": [
            *("outputs/predictions.csv", "outputs/out_of_fold.csv", "outputs/full_out_of_fold.csv"),
            {"plots/learning_curves.csv": {"cache": False}},
        ],
        "metrics": [
            {f"metrics/{name}.json": {"cache": False}} for name in ("eval", "details", "crossval")
        ],
    },
}
BEFORE = {  # experiments of the commit before
    "crossed": "crossval.full=true",
    "half-crossed": "train.freeze_till=40",
    "split-3": "seed=3 split.seed=null",
    "split-4": "seed=4 split.seed=null",
    "deep-split-3": "seed=3 split.seed=null train.freeze_till=80",
    "deep-split-4": "seed=4 split.seed=null train.freeze_till=80",
}
EXPERIMENTS = {  # of the commit
    "deep-1": "train.freeze_till=80",
    "deep-2": "train.freeze_till=80 seed=2",
    "frozen": "train.freeze_till=all",
    "fewer": "data.limit_per_class=150",
    "near": "train.freeze_till=12",
}


def make_repository(folder: Path) -> None:
    """Write it into a folder, run it and commit."""
    shutil.copytree(ROOT / "setups", folder / "setups")
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copy(ROOT / "setups/sample.yaml", folder / "params.yaml")
    shutil.copy(Path(__file__).with_name(PROGRAM), folder)
    (folder / "src").symlink_to(ROOT / "src")
    with (folder / ".gitignore").open("a") as ignored:
        ignored.write("/src\n")
    stages = {
        name: stage | {"cmd": f"python {PROGRAM} {name}", "deps": [PROGRAM, *stage["deps"]]}
        for name, stage in STAGES.items()
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    run("git init -q && git config user.email a@b.c && git config user.name Test", folder)
    keys = ("watch", "watch_table", "watch_relabel", "watch_unknown")
    watched = " ".join(f"data.{key}={PROGRAM}" for key in keys)
    run(f"thaw use {watched} seed=1 split.seed=7 train.freeze_till=10", folder)
    run("dvc repro -q && git add -A && git commit -qm start", folder)


def run_experiments(folder: Path) -> None:
    """Run experiments of two commits, and leave the working tree as it was."""
    _run(folder, BEFORE)
    run("git commit -qm next --allow-empty", folder)
    _run(folder, EXPERIMENTS)


def _run(folder: Path, experiments: dict[str, str]) -> None:
    for name, settings in experiments.items():
        sets = " ".join(f"-S {setting}" for setting in settings.split())
        run(f"git checkout -q params.yaml && dvc exp run -q -n {name} {sets}", folder)
    run("git checkout -q . && dvc checkout -q", folder)
