"""What can be compared, and a key that changes whenever that does."""

from itertools import pairwise

import pytest
from project import run

from thaw.errors import ThawError
from thaw.experiments.experiment import read_revisions
from thaw.experiments.repository import repository_state, revisions


def test_the_commit_the_workspace_and_all_experiments_have_a_revision_that_can_be_read(
    compared, monkeypatch
):
    monkeypatch.chdir(compared)
    found = revisions()
    assert list(found.current) == [
        *("HEAD", "deep-1", "deep-2", "fewer", "frozen", "near", "workspace"),
    ]
    assert set(found.others) == {
        *("crossed", "half-crossed", "split-3", "split-4", "deep-split-3", "deep-split-4"),
    }
    experiments, left_out = read_revisions(found.all)
    assert [one.name for one in experiments] == list(found.all) and left_out == []


def test_a_name_of_two_commits_is_told_apart(repository, monkeypatch):
    monkeypatch.chdir(repository)
    before = run("git rev-parse HEAD", repository).strip()
    run("git commit -qm next --allow-empty", repository)
    after = run("git rev-parse HEAD", repository).strip()
    for commit in (before, after):
        run(f"git update-ref refs/exps/{commit[:2]}/{commit[2:]}/twice HEAD", repository)
    assert list(revisions().all) == [
        *("HEAD", f"twice ({after[:7]})", "workspace", f"twice ({before[:7]})"),
    ]


def test_the_state_changes_with_experiments_results_and_the_cache(repository, monkeypatch):
    monkeypatch.chdir(repository)
    states = [repository_state()]
    assert repository_state() == states[0]
    head = run("git rev-parse HEAD", repository).strip()
    new = f"refs/exps/{head[:2]}/{head[2:]}/new"
    [object_, *_] = sorted(repository.glob(".dvc/cache/files/md5/*/*"))
    for change in (
        f"git update-ref {new} HEAD",
        f"git update-ref -d {new}",
        "touch metrics/eval.json",
        "touch dvc.lock",
        f"rm -f {object_}",
        "git commit -qm next --allow-empty",
    ):
        run(change, repository)
        states.append(repository_state())
    differ = [one != other for one, other in pairwise(states)]
    assert all(differ), differ


def test_without_a_commit_it_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for of in (revisions, repository_state):
        with pytest.raises(ThawError, match="needs a Git repository with a commit"):
            of()
