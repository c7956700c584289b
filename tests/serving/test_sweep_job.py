"""A sweep as a job: it runs what `thaw sweep` runs, and nothing of it outlives it."""

import os
import shutil
import sys
import time
from pathlib import Path

import psutil
import pytest
from flask import Flask
from project import run

from thaw.paths import PUBLISHED, SWEEP_RESULTS
from thaw.serving.errors import ApiError
from thaw.serving.job_state import ENDED
from thaw.serving.jobs import Jobs
from thaw.serving.training_routes import training_blueprint


@pytest.fixture
def repository(unswept, tmp_path, monkeypatch):
    folder = shutil.copytree(unswept, tmp_path / "repository", symlinks=True)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(folder / "src"))
    monkeypatch.setenv("HOLD", str(tmp_path / "held.pid"))
    return folder


@pytest.fixture
def jobs(repository):
    return Jobs(repository, repository / PUBLISHED)


def wait(jobs, job):
    while (state := jobs.get(job))["state"] not in ENDED:
        time.sleep(0.05)
    return state


def test_its_points_are_experiments_and_its_result_is_their_ranking(jobs, repository):
    job = jobs.start({"train.dropout": 0.5}, {"train.freeze_till": ["all", 20]})
    assert job["params"] == {"train.dropout": 0.5}
    ended = wait(jobs, job["id"])
    assert ended["state"] == "succeeded", ended
    assert (ended["points_done"], ended["points"], ended["ranking"]["failed"]) == (2, 2, [])
    best, other = ended["ranking"]["settings"]
    assert best["name"].startswith("freeze_till=20,dropout=0.5-")
    assert other["name"].startswith("freeze_till=all,dropout=0.5-")
    assert "the former is better" in ended["ranking"]["verdict"]
    assert [line.rpartition(": ")[2] for line in ended["log"][-2:]] == ["done", "done"]
    assert run("git for-each-ref refs/exps", repository).count("dropout=0.5") == 2
    assert run("git status --porcelain", repository) == ""
    assert (repository / SWEEP_RESULTS / "sweep.csv").exists()
    assert not (repository / PUBLISHED).exists()
    # A point that is done is not run again, nor by `thaw sweep`.
    assert "2 points, 2 done, 0 to run" in run(
        "thaw sweep train.dropout=0.5 train.freeze_till=all,20", repository
    )


def test_a_point_that_fails_is_told_and_the_others_count(jobs):
    job = jobs.start({}, {"train.dropout": [0.75, 0.25]})
    ended = wait(jobs, job["id"])
    [failed] = ended["ranking"]["failed"]
    assert failed["error"] == "model: the dropout is too high"
    assert ended["state"] == "succeeded" and len(ended["ranking"]["settings"]) == 1
    ended = wait(jobs, jobs.start({}, {"train.dropout": [0.75]})["id"])
    assert (ended["state"], ended["error"]) == ("failed", "model: the dropout is too high")


def test_cancelling_ends_all_of_it(jobs, repository):
    run("thaw use evaluate.bins=5", repository)  # with which the stage model stays
    job = jobs.start({}, {"train.freeze_till": [20, 30]})["id"]
    held = Path(os.environ["HOLD"])
    while not held.exists():
        time.sleep(0.05)
    stage = psutil.Process(int(held.read_text()))
    running = jobs.get(job)
    assert (running["state"], running["points_done"], running["points"]) == ("running", 0, 2)
    assert running["stage"].startswith("freeze_till=20-")
    with pytest.raises(ApiError, match=job):
        jobs.start({})
    assert os.getpgid(stage.pid) == running["pid"]
    assert jobs.cancel(job)["state"] == "cancelled"
    assert not stage.is_running() or stage.status() == psutil.STATUS_ZOMBIE
    assert jobs.start({}, {"train.freeze_till": [20]})["state"] in ("queued", "running")
    jobs.cancel(jobs.latest()[0]["id"])


def test_the_route_takes_a_sweep_beside_or_instead_of_params(jobs):
    app = Flask("test")
    app.register_blueprint(training_blueprint(jobs, "secret"))
    app.errorhandler(ApiError)(lambda error: (error.content, error.status, error.headers))

    def post(body):
        headers = {"Authorization": "Bearer secret"}
        return app.test_client().post("/train", json=body, headers=headers)

    for sweep in ([], "seed", 1):
        assert post({"sweep": sweep}).json["error"]["code"] == "wrong_fields"
    assert post({"sweep": {"seed": [1, -1]}}).json["error"]["code"] == "wrong_params"
    for params in ({}, {"params": {"train.dropout": 0.5}}):
        found = post({"sweep": {"seed": [1, 2]}, **params})
        assert found.status_code == 202 and found.json["sweep"] == {"seed": [1, 2]}
        assert jobs.cancel(found.json["id"])["state"] == "cancelled"


@pytest.mark.parametrize(
    ("params", "sweep", "message"),
    [
        ({}, {"data.source": ["a", "b"]}, "but not 'data.source'"),
        ({}, {"train.dropout": 0.5}, "a list of one value or more"),
        ({}, {"train.dropout": []}, "a list of one value or more"),
        ({"train.dropout": 0.5}, {"train.dropout": [0.5]}, "which params must not have"),
        ({}, {"seed": list(range(20)), "train.dropout": [0.1] * 6}, "at most 100 points"),
        ({}, {"train.dropout": [0.5, 2]}, "train.dropout must be less than 1"),
        ({"train.dropped": 1}, {"seed": [1, 2]}, "train.dropped"),
    ],
)
def test_what_is_no_sweep_is_refused_and_leaves_nothing(jobs, params, sweep, message):
    with pytest.raises(ApiError, match=message) as error:
        jobs.start(params, sweep)
    assert error.value.code == "wrong_params" and jobs.latest() == []
