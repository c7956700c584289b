"""A real repository of Git and DVC with experiments of a small pipeline."""

import shutil
from pathlib import Path

import yaml
from project import ROOT, run

PARAMS = {
    "seed": 1,
    "data": {"count": 400},
    "split": {"seed": 7},
    "base": {"name": "MobileNetV2", "alpha": 1.0},
    "train": {"freeze_till": 10},
    "crossval": {"training": None},
}
STAGES = {
    "data": {
        "cmd": "env PYTHONPATH=src python small_pipeline.py data",
        "params": ["seed", "data", "split"],
        "outs": ["data/images.parquet", "data/split.csv"],
    },
    "model": {
        "cmd": "env PYTHONPATH=src python small_pipeline.py model",
        "deps": ["data/split.csv"],
        "params": ["seed", "base", "train", "crossval"],
        "outs": [
            *("outputs/predictions.csv", "outputs/out_of_fold.csv"),
            {"plots/learning_curves.csv": {"cache": False}},
        ],
        "metrics": [
            {f"metrics/{name}.json": {"cache": False}} for name in ("eval", "details", "crossval")
        ],
    },
}
BEFORE = {  # experiments of the commit before
    "crossed": "crossval.training=full",
    "half-crossed": "train.freeze_till=40 crossval.training=head",
    "split-3": "seed=3 split.seed=null",
    "split-4": "seed=4 split.seed=null",
    "deep-split-3": "seed=3 split.seed=null train.freeze_till=80",
    "deep-split-4": "seed=4 split.seed=null train.freeze_till=80",
}
EXPERIMENTS = {  # of the commit
    "deep-1": "train.freeze_till=80",
    "deep-2": "train.freeze_till=80 seed=2",
    "frozen": "train.freeze_till=all crossval.training=head",
    "fewer": "data.count=300",
    "near": "train.freeze_till=12",
}


def run_experiments(folder: Path, experiments: dict[str, str]) -> None:
    """Run them, and leave the working tree as it was."""
    for name, settings in experiments.items():
        sets = " ".join(f"-S {setting}" for setting in settings.split())
        run(f"git checkout -q params.yaml && dvc exp run -q -n {name} {sets}", folder)
    run("git checkout -q . && dvc checkout -q", folder)


def make_repository(folder: Path) -> None:
    """Make it in a folder."""
    (folder / "src").symlink_to(ROOT / "src")
    shutil.copy(Path(__file__).with_name("small_pipeline.py"), folder)
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    (folder / ".gitignore").write_text("src\n__pycache__\n/outputs/\n/data/\n")
    run("git init -q && git config user.email a@b.c && git config user.name Test", folder)
    run("dvc init -q && dvc config core.analytics false && dvc repro -q", folder)
    run("git add -A && git commit -qm start", folder)
    run_experiments(folder, BEFORE)
    run("git commit -qm next --allow-empty", folder)
    run_experiments(folder, EXPERIMENTS)
