"""Training as a job: its states are true, whoever is killed, and nothing of it runs on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import psutil
import pytest
from flask import Flask
from project import run
from small_training import make_repository

from thaw.paths import JOBS, PUBLISHED
from thaw.serving import jobs as jobs_module
from thaw.serving.errors import ApiError
from thaw.serving.job_state import ENDED, update_state
from thaw.serving.jobs import MOST_JOBS, Jobs
from thaw.serving.publish import publish, published
from thaw.serving.training_routes import training_blueprint

TOKEN = {"Authorization": "Bearer secret ünicode"}
SERVER = """
import sys
from pathlib import Path
from thaw.serving.jobs import Jobs
print(Jobs(Path("."), Path("models/published")).start({"train.head_epochs": 999})["id"], flush=True)
sys.stdin.read()
"""
HELD = {"train.head_epochs": 999}  # the stage model stays until it is killed


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository in which the stages have run, as far as its cache says."""
    folder = make_repository(tmp_path_factory.mktemp("made") / "repository")
    run("dvc repro -q && git add -A && git commit -qm results", folder)
    return folder


@pytest.fixture
def repository(made, tmp_path, monkeypatch):
    folder = shutil.copytree(made, tmp_path / "repository", symlinks=True)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(folder / "src"))
    monkeypatch.setenv("HOLD", str(tmp_path / "held.pid"))
    return folder


@pytest.fixture
def jobs(repository):
    return Jobs(repository, repository / PUBLISHED)


@pytest.fixture
def client(jobs):
    app = Flask("test")
    app.register_blueprint(training_blueprint(jobs, "secret ünicode"))
    app.errorhandler(ApiError)(lambda error: (error.content, error.status, error.headers))
    return app.test_client()


def wait(jobs, job):
    """The state of a job when it has ended."""
    while (state := jobs.get(job))["state"] not in ENDED:
        time.sleep(0.05)
    return state


def held(repository):
    """The process of the stage that stays, once it runs."""
    path = Path(os.environ["HOLD"])
    while not path.exists():
        time.sleep(0.05)
    return psutil.Process(int(path.read_text()))


def has_ended(process):
    """Whether it has, within some seconds; who reaps it is not the question."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_only_the_token_opens_the_routes_and_only_post_starts(client, jobs):
    for headers in ({}, {"Authorization": "Bearer secret"}, {"Authorization": "secret ünicode"}):
        found = client.post("/train", json={}, headers=headers)
        assert found.status_code == 401 and found.json["error"]["code"] == "unauthorized"
        assert client.get("/jobs/x", headers=headers).status_code == 401
    assert client.get("/train", headers=TOKEN).status_code == 405
    assert client.get("/jobs/../../etc", headers=TOKEN).status_code == 404
    assert client.delete("/jobs/20250101-000000000-00000000", headers=TOKEN).status_code == 404
    assert jobs.latest() == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"data": "params=", "content_type": "text/plain"}, "unsupported_media_type"),
        ({"data": "{", "content_type": "application/json"}, "bad_json"),
        ({"data": "[" * 100_000, "content_type": "application/json"}, "bad_json"),
        ({"json": []}, "wrong_fields"),
        ({"json": {"params": ["seed"]}}, "wrong_fields"),
        ({"json": {"command": "ls"}}, "wrong_fields"),
        ({"json": {"params": {"data.source": "https://example.org"}}}, "wrong_params"),
        ({"json": {"params": {"base.weights": "/etc/passwd"}}}, "wrong_params"),
        ({"json": {"params": {"train": {"dropout": 0.1}}}}, "wrong_params"),
        ({"json": {"params": {"train.dropout": "$(touch x)"}}}, "wrong_params"),
        ({"json": {"params": {"train.dropped": 1}}}, "wrong_params"),
    ],
)
def test_what_is_no_training_is_refused_and_leaves_nothing(client, jobs, body, code):
    found = client.post("/train", headers=TOKEN, **body)
    assert found.json["error"]["code"] == code and 400 <= found.status_code < 500
    assert jobs.latest() == []


def test_a_job_that_is_just_being_started_is_not_taken_for_lost(jobs, repository, monkeypatch):
    seen, write = [], jobs_module.update_state

    def written(folder, **changes):
        state = write(folder, **changes)
        if changes.get("state") == "queued":  # another server looks at this moment
            seen.append(Jobs(repository, repository / PUBLISHED).latest())
        return state

    monkeypatch.setattr(jobs_module, "update_state", written)
    job = jobs.start({})["id"]
    assert seen == [[]]
    assert wait(jobs, job)["state"] == "by hand only"


def test_jobs_are_listed_while_a_start_deletes_the_oldest(tmp_path):
    jobs = Jobs(tmp_path, tmp_path / PUBLISHED)

    def add(number):
        hidden = tmp_path / JOBS / f".20250101-{number:09}-00000000"
        update_state(hidden, state="failed")
        (hidden / "bundle").mkdir()
        hidden.rename(hidden.with_name(hidden.name[1:]))

    for number in range(MOST_JOBS):
        add(number)
    with ThreadPoolExecutor(1) as pool:
        looks = pool.submit(lambda: {len(jobs.latest()) for _ in range(500)})
        for number in count(MOST_JOBS):
            jobs._delete_old()
            add(number)
            if looks.done():
                break
    assert looks.result() <= set(range(MOST_JOBS + 1))  # and no look has failed


def test_jobs_are_published_by_hand_first_and_then_by_the_gate(client, jobs, repository):
    status = run("git status --porcelain", repository)
    found = client.post("/train", json={}, headers=TOKEN)
    assert found.status_code == 202 and found.location == f"/jobs/{found.json['id']}"
    first = wait(jobs, found.json["id"])
    assert first["state"] == "by hand only" and first["metrics"] == {"accuracy": 0.7}
    assert "nothing is published" in first["publication"]["reason"]
    assert (first["stages_done"], first["stages"]) == (2, 2)
    publish(repository / ".thaw/jobs" / first["id"] / "bundle", repository / PUBLISHED)
    for params, state in (
        ({}, "succeeded"),  # the same bundle
        ({"seed": 2}, "published"),
        ({"train.dropout": 0.6}, "succeeded"),
        ({"train.dropout": 0.75}, "failed"),
    ):
        body = {"params": params}
        job = wait(jobs, client.post("/train", json=body, headers=TOKEN).json["id"])
        assert job["state"] == state, job
        assert state == "failed" or job["publication"]["n"] in (0, 270)
    assert job["error"].endswith("the dropout is too high") and job["log"]
    assert len(published(repository / PUBLISHED)) == 2
    states = client.get("/jobs", headers=TOKEN).json["jobs"]
    assert [one["state"] for one in states] == [
        *("failed", "succeeded", "published", "succeeded", "by hand only")
    ]
    # The working tree is as it was, and each result is an experiment.
    assert run("git status --porcelain", repository) == status
    assert run("git for-each-ref refs/exps", repository).count("job-") == 4
    assert not list(repository.glob(".thaw/jobs/*/copy"))


def test_of_twenty_starts_one_runs_and_cancelling_ends_all_of_it(client, jobs, repository):
    def post(_):
        return client.application.test_client().post("/train", json={"params": HELD}, headers=TOKEN)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(post, range(20)))
    assert sorted(answer.status_code for answer in answers) == [202, *[409] * 19]
    [started] = [answer for answer in answers if answer.status_code == 202]
    stage = held(repository)
    running = client.get(started.location, headers=TOKEN).json
    assert (running["state"], running["stage"], running["stages_done"]) == ("running", "model", 1)
    late = client.post("/train", json={}, headers=TOKEN)
    assert late.status_code == 409 and running["id"] in late.json["error"]["message"]
    assert client.delete(started.location, headers=TOKEN).json["state"] == "cancelled"
    assert has_ended(stage)
    assert client.delete(started.location, headers=TOKEN).json["state"] == "cancelled"
    assert not list(repository.glob(".thaw/jobs/*/copy"))
    assert client.post("/train", json={"params": HELD}, headers=TOKEN).status_code == 202
    client.delete(client.get("/jobs", headers=TOKEN).json["jobs"][0]["id"].join(("/jobs/", "")))
    assert jobs.cancel(jobs.latest()[0]["id"])["state"] == "cancelled"


def test_a_killed_server_finds_its_job_again_and_a_killed_job_is_lost(repository):
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=repository,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        job = server.stdout.readline().strip()
        stage = held(repository)
        server.kill()
    jobs = Jobs(repository, repository / PUBLISHED)
    assert jobs.get(job)["state"] == "running"
    with pytest.raises(ApiError, match=job):
        jobs.start({})
    os.kill(jobs.get(job)["pid"], signal.SIGKILL)
    assert has_ended(stage)  # without that anybody asks
    assert jobs.get(job)["state"] == "lost"
    assert wait(jobs, jobs.start({})["id"])["state"] == "by hand only"


def test_a_job_that_ended_while_no_server_ran_is_lost_or_published(jobs, repository):
    job = jobs.start(HELD)["id"]
    stage = held(repository)
    folder = repository / ".thaw/jobs" / job
    state = (folder / "state.json").read_text()
    os.killpg(jobs.get(job)["pid"], signal.SIGKILL)
    assert has_ended(stage) and wait(jobs, job)["state"] == "lost"
    sha256 = publish(repository / "models/bundle", repository / PUBLISHED)
    # Killed between publishing and saying so.
    (folder / "state.json").write_text(state.replace("{", f'{{"publishes": "{sha256}",', 1))
    assert Jobs(repository, repository / PUBLISHED).get(job)["state"] == "published"
