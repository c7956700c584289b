"""Publishing leaves a whole bundle at every moment, and a server takes it up while it answers."""

import logging
import shutil
import subprocess
import sys
import time
from threading import Thread

import numpy as np
import pytest
from small_bundle import LABELS, SIDE, write_colours

from thaw.bundle import MODEL, check_bundle, write_bundle
from thaw.bundle_zip import pack
from thaw.errors import ThawError
from thaw.serving.publish import go_back, publish, published
from thaw.serving.published import LiveBundle

# Publishes the one of three bundles that is not published, in a process that is killed at the n-th
# thing that it does to a file, for n from 1 on; prints how often a whole bundle was published after
# the kill.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from thaw.bundle import check_bundle
from thaw.serving import publish as module

folder, *bundles = map(Path, sys.argv[1:])
module.warm_up = lambda predictor: None  # OpenVINO's threads do not survive a fork
names = {module.publish(bundle, folder): bundle for bundle in bundles}
done, status = 0, 1
while status:
    [other] = names.keys() - set(module.published(folder))
    shutil.rmtree(folder / other, ignore_errors=True)
    left = done + 1
    if (child := os.fork()) == 0:
        def count(event, words):
            global left
            left -= event.startswith(("fcntl.", "open", "os.", "shutil.", "tempfile."))
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(count)
        module.publish(names[other], folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    for sha256 in module.published(folder):
        check_bundle(folder / sha256)
    assert module.published(folder)
    done += bool(status)
print(done, len([*folder.iterdir()]))
"""
RED = np.zeros((SIDE, SIDE, 3), np.uint8) + np.array([200, 10, 10], np.uint8)


@pytest.fixture
def bundles(tmp_path):
    """Three bundles that differ in what they were trained with."""
    return [write_colours(tmp_path / f"bundle-{n}", training={"seed": n}) for n in range(3)]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "published"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


def test_the_present_and_the_one_before_are_kept_and_can_be_swapped(bundles, folder, tmp_path):
    with pytest.raises(ThawError, match="needs two bundles"):
        go_back(folder)
    pack(bundles[2], None, tmp_path / "third.zip")
    first, second = (publish(bundle, folder) for bundle in bundles[:2])
    assert published(folder) == [second, first]
    assert publish(bundles[1], folder) == second and published(folder) == [second, first]
    assert go_back(folder) == first and published(folder) == [first, second]
    assert go_back(folder) == second
    third = publish(tmp_path / "third.zip", folder)
    assert published(folder) == [third, second]
    assert names(folder) == sorted(["current", "lock", second, third])
    for sha256 in (second, third):
        check_bundle(folder / sha256)


def test_what_is_no_whole_bundle_or_cannot_run_is_not_published(bundles, folder, tmp_path):
    sha256 = publish(bundles[0], folder)
    (bundles[1] / MODEL).write_bytes((bundles[1] / MODEL).read_bytes()[:-1])
    with pytest.raises(ThawError, match="SHA-256"):
        publish(bundles[1], folder)
    write_bundle(tmp_path / "broken", b"no model", LABELS, {"image_size": 8, "precision": "x"})
    with pytest.raises(ThawError):
        publish(tmp_path / "broken", folder)
    assert published(folder) == [sha256] and names(folder) == sorted(["current", "lock", sha256])


def test_a_damaged_copy_is_replaced_when_it_is_published_again(bundles, folder):
    sha256 = publish(bundles[0], folder)
    (folder / sha256 / MODEL).write_bytes(b"")
    publish(bundles[0], folder)
    check_bundle(folder / sha256)


def test_a_kill_at_any_moment_leaves_a_whole_bundle(bundles, folder):
    command = [sys.executable, "-c", KILLED, folder, *bundles]
    done = subprocess.run(command, capture_output=True, text=True)
    kills, left = map(int, done.stdout.split() or [0, 0])
    assert kills > 30 and left == 4, done.stderr


def test_without_anything_published_the_address_answers(bundles, folder):
    for live in (LiveBundle(bundles[0]), LiveBundle(bundles[0], folder)):
        assert live.current().predictor(RED).label == "red"
    given = live.current().sha256
    sha256 = publish(bundles[1], folder)
    assert LiveBundle(bundles[0], folder).current().sha256 == sha256
    (folder / sha256 / MODEL).write_bytes(b"")
    assert LiveBundle(bundles[0], folder).current().sha256 == given


def test_a_published_bundle_is_taken_up_while_requests_are_answered(bundles, folder):
    publish(bundles[0], folder)
    live, answers, stop = LiveBundle(bundles[0], folder), [], []

    def ask():
        while not stop:
            loaded = live.current()
            answers.append((loaded.sha256, loaded.predictor(RED).label))

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    sha256 = publish(bundles[1], folder)
    wait_for(lambda: live.current().sha256 == sha256)
    assert time.monotonic() - started < 3
    before = go_back(folder)
    wait_for(lambda: live.current().sha256 == before)
    stop.append(True)
    for thread in threads:
        thread.join()
    assert {label for _, label in answers} == {"red"}
    assert {known for known, _ in answers} == {sha256, before}


def test_a_bad_bundle_never_replaces_a_good_one_and_is_logged_once(bundles, folder, caplog):
    good = publish(bundles[0], folder)
    live = LiveBundle(bundles[0], folder)
    bad = "a" * 64
    shutil.copytree(bundles[1], folder / bad)
    (folder / bad / MODEL).write_bytes(b"")
    with caplog.at_level(logging.ERROR, "thaw"):
        (folder / "current").write_text(f"{bad} {good}\n")
        wait_for(lambda: caplog.records)
        time.sleep(1.2)
    assert len(caplog.records) == 1 and live.current().sha256 == good
    better = publish(bundles[1], folder)
    wait_for(lambda: live.current().sha256 == better)
