"""Free the disk of what only the points of sweeps needed while they ran."""

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from dvc.repo import Repo

from thaw.experiments.git import SWEPT, git, read_file
from thaw.files import damage_explained
from thaw.paths import EMBEDDINGS, FEATURES, LOCK, SWEEP_SHARED, VIEWS

FREED = (VIEWS, EMBEDDINGS, FEATURES)

Outs = dict[str, str]  # path → MD5


def clean_sweeps() -> int:
    """Delete what only sweeps needed from DVC's cache; return the number of bytes.

    That is the views, embeddings and activations of their experiments that no other experiment,
    no commit and not the working tree names. Everything else stays, so they can be compared.
    """
    root = Path.cwd()
    with Repo() as repo:
        cache = Path(repo.cache.local.path)
    listed = git(root, "for-each-ref", "--format=%(refname) %(subject)", "refs/exps").splitlines()
    refs = [line.split(" ")[0] for line in listed if f" {SWEPT}" in line]
    excluded = [f"--exclude={ref}" for ref in refs]
    others = git(root, "log", "--format=%H", *excluded, "--all", "--full-history", "--", str(LOCK))
    texts = [read_file(root, revision, LOCK) for revision in others.split()]
    texts.append(LOCK.read_text(encoding="utf-8") if LOCK.exists() else None)
    kept = {md5 for text in texts for md5 in _outs(text).values()}
    data = {
        md5
        for ref in refs
        for path, md5 in _outs(read_file(root, ref, LOCK)).items()
        if Path(path) in FREED
    }
    freed = _delete(set(_objects(cache, data - kept)) - set(_objects(cache, kept)))
    shutil.rmtree(SWEEP_SHARED, ignore_errors=True)
    return freed


def _outs(text: str | None) -> Outs:
    """The outs in the text of a dvc.lock."""
    with damage_explained(LOCK, "restore it with `git checkout dvc.lock`"):
        content: dict[str, Any] = yaml.load(text or "{}", yaml.CSafeLoader)
        entries = [out for entry in content.get("stages", {}).values() for out in entry["outs"]]
        return {out["path"]: out["md5"] for out in entries}


def _objects(cache: Path, hashes: Iterable[str]) -> Iterator[Path]:
    """The files of the cache that hold these outs; of a folder, its list and its files."""
    for md5 in hashes:
        path = _object(cache, md5)
        yield path
        if md5.endswith(".dir") and path.exists():
            with damage_explained(path):
                yield from (_object(cache, file["md5"]) for file in json.loads(path.read_text()))


def _object(cache: Path, md5: str) -> Path:
    return cache / md5[:2] / md5[2:]


def _delete(paths: Iterable[Path]) -> int:
    """Delete the files that are there; the number of bytes."""
    present = [path for path in paths if path.exists()]
    freed = sum(path.stat().st_size for path in present)
    for path in present:
        path.unlink()
    return freed
