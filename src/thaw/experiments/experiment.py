"""Read experiments: their params and results, from Git and from DVC's cache."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.experiments.utils import exp_refs_by_baseline, resolve_name
from dvc.scm import RevError, SCMError, resolve_rev
from dvc.utils.serialize import parse_yaml

from thaw.backbones import count_layers
from thaw.data.tables import SPLIT_COLUMNS, read_csv
from thaw.errors import ThawError, listing
from thaw.evaluate.predictions import Predictions, read_out_of_fold, read_predictions
from thaw.experiments.git import seconds_of
from thaw.experiments.lock import params_and_outs
from thaw.files import damage_explained
from thaw.paths import (
    CROSSVAL_METRICS,
    EVAL_METRICS,
    FULL_OUT_OF_FOLD,
    IMAGES,
    LOCK,
    METRICS,
    OUT_OF_FOLD,
    PLOTS,
    PREDICTIONS,
    SPLIT,
)

WORKSPACE = "workspace"  # the name of what is in the working tree
DETAILS, CURVES = METRICS / "details.json", PLOTS / "learning_curves.csv"
FILES = (EVAL_METRICS, DETAILS, CURVES)
SEEDS = ("seed", "split.seed")  # params in which the runs of one setting differ
Read = Callable[[Path], str]  # the text of a file; raises FileNotFoundError


@dataclass(frozen=True)
class Experiment:
    """A result of the pipeline: an experiment, a revision, or the working tree.

    Params and hashes are those of its dvc.lock, which records what the result was made of.
    """

    name: str
    params: Mapping[str, Any]  # by full key, such as train.freeze_till
    outs: Mapping[str, str]  # path → MD5
    texts: Mapping[Path, str]  # of the small files that are in Git, by path
    cache: Path  # DVC's
    seconds: float | None  # from start to end, if a sweep ran it; work done before is not in it

    @property
    def seed(self) -> tuple[int, int]:
        """The seeds of the split and of the training."""
        seed, of_split = self.params["seed"], self.params.get("split.seed")
        return (seed if of_split is None else of_split, seed)

    @property
    def images(self) -> tuple[str, str]:
        """What the result's images and their splits are known by."""
        return self.outs[IMAGES.as_posix()], self.outs[SPLIT.as_posix()]

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Those of metrics/eval.json and of metrics/details.json."""
        with damage_explained(f"{EVAL_METRICS} of {self.name}"):
            return json.loads(self.texts[EVAL_METRICS]) | json.loads(self.texts[DETAILS])

    @cached_property
    def curves(self) -> pd.DataFrame:
        """The learning curves: epoch, phase, and loss and accuracy of train and val."""
        with damage_explained(f"{CURVES} of {self.name}"):
            return pd.read_csv(io.StringIO(self.texts[CURVES]))

    @cached_property
    def val(self) -> Predictions:
        """The bundle's predictions of the validation images."""
        return read_predictions(self.cached(PREDICTIONS)).subset("val")

    @cached_property
    def out_of_fold(self) -> Predictions | None:
        """Predictions of train and val by cross-validation, if it did this very training.

        None if there are none, or if they are those of the head alone and the tail was trained too.
        """
        with damage_explained(f"{CROSSVAL_METRICS} of {self.name}"):
            training = json.loads(self.texts.get(CROSSVAL_METRICS, "{}")).get("training")
        if training == "full":
            return read_out_of_fold(self.cached(FULL_OUT_OF_FOLD), self.val.labels)
        if training == "head" and self._is_frozen():
            return read_out_of_fold(self.cached(OUT_OF_FOLD), self.val.labels)
        return None

    @cached_property
    def groups(self) -> dict[str, str]:
        """The duplicate group of each image, by name."""
        table = read_csv(self.cached(SPLIT), SPLIT_COLUMNS)
        return dict(zip(table["name"], table["group"], strict=True))

    def _is_frozen(self) -> bool:
        layers = count_layers(self.params["base.name"], self.params["base.alpha"])
        return bool(self.metrics["freeze_till"] >= layers)

    def check_results(self) -> None:
        """Raise ThawError unless what a comparison needs is in DVC's cache."""
        for needed in (IMAGES, SPLIT, PREDICTIONS):
            self.cached(needed)

    def cached(self, path: str | Path) -> Path:
        """The file of DVC's cache that is this output. Raises ThawError if it is not there."""
        md5 = self.outs.get(Path(path).as_posix(), "none")
        file = self.cache / md5[:2] / md5[2:]
        if not file.is_file():
            raise ThawError(
                f"{path} of {self.name} must be in DVC's cache, but is not: get it with `dvc pull` "
                f"or `dvc exp pull`, or run {self.name} again"
            )
        return file


def read_experiments(names: Sequence[str]) -> tuple[list[Experiment], list[str]]:
    """Read those called `names`: experiments, Git revisions, or `workspace`.

    Without names: the current commit, its experiments, and the working tree, each result once.
    Also returns a line for each of these that was left out because its results are not here; of
    those named, that raises ThawError.
    """
    try:
        with Repo() as repo:
            return _read_named(repo, names) if names else _read_current(repo)
    except (DvcException, SCMError) as error:
        raise ThawError(f"comparing needs a repository of Git and DVC, but here: {error}") from None


def _read_named(repo: Repo, names: Sequence[str]) -> tuple[list[Experiment], list[str]]:
    refs = resolve_name(repo.scm, [name for name in names if name != WORKSPACE])
    found = []
    for name in dict.fromkeys(names):
        revision = str(refs[name]) if refs.get(name) else name
        try:
            found.append(_read(repo, name, revision))
        except RevError:
            known = exp_refs_by_baseline(repo.scm, {repo.scm.get_rev()})
            experiments = [ref.name for refs in known.values() for ref in refs]
            raise ThawError(
                f"{name} must be an experiment, a Git revision or {WORKSPACE}, but is none; "
                f"experiments of this commit are {listing(sorted(experiments))}"
            ) from None
    return found, []


def _read_current(repo: Repo) -> tuple[list[Experiment], list[str]]:
    head = repo.scm.get_rev()
    refs = sorted(exp_refs_by_baseline(repo.scm, {head}).get(head, []), key=lambda ref: ref.name)
    revisions = {"HEAD": head} | {ref.name: str(ref) for ref in refs} | {WORKSPACE: WORKSPACE}
    found, left_out = _read_present(repo, revisions)
    return distinct(found), left_out


def distinct(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Those with other outs than all before."""
    different: dict[str, Experiment] = {}
    for experiment in experiments:
        different.setdefault(json.dumps(dict(experiment.outs), sort_keys=True), experiment)
    return list(different.values())


def read_revisions(revisions: Mapping[str, str]) -> tuple[list[Experiment], list[str]]:
    """Read the experiments of these names and revisions.

    Also returns a line for each that is left out because its results are not here.
    """
    with Repo() as repo:
        return _read_present(repo, revisions)


def _read_present(repo: Repo, revisions: Mapping[str, str]) -> tuple[list[Experiment], list[str]]:
    found, left_out = [], []
    for name, revision in revisions.items():
        try:
            found.append(_read(repo, name, revision))
        except ThawError as error:
            left_out.append(why_left_out(name, error))
    return found, left_out


def why_left_out(name: str, error: ThawError) -> str:
    """The line for an experiment that cannot be read."""
    return f"{name} is left out: {error}"


def read_revision(name: str, revision: str) -> Experiment:
    """Read one. Raises ThawError if its results are not here."""
    with Repo() as repo:
        return _read(repo, name, revision)


def _read(repo: Repo, name: str, revision: str) -> Experiment:
    read = _reader(repo, revision)
    advice = f"run the pipeline, or leave {name} out"
    with damage_explained(f"{LOCK} of {name}", advice):
        params, outs = params_and_outs(name, parse_yaml(read(LOCK), str(LOCK))["stages"].values())
    texts = {}
    for path in FILES:
        with damage_explained(f"{path} of {name}", advice):
            texts[path] = read(path)
    with suppress(FileNotFoundError):
        texts[CROSSVAL_METRICS] = read(CROSSVAL_METRICS)
    is_commit = revision != WORKSPACE
    message = repo.scm.resolve_commit(resolve_rev(repo.scm, revision)).message if is_commit else ""
    cache = Path(repo.cache.local.path)
    experiment = Experiment(name, params, outs, texts, cache, seconds_of(message))
    experiment.check_results()
    return experiment


def _reader(repo: Repo, revision: str) -> Read:
    """A function that reads the files of a revision, or of the working tree."""
    if revision == WORKSPACE:
        return lambda path: (Path(repo.root_dir) / path).read_text(encoding="utf-8")
    tree = repo.scm.get_fs(resolve_rev(repo.scm, revision))
    root = Path(repo.root_dir).relative_to(repo.scm.root_dir)

    def read(path: Path) -> str:
        with tree.open((root / path).as_posix(), "r", encoding="utf-8") as stream:
            return str(stream.read())

    return read
