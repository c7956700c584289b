"""A server that is full refuses at once and answers its probes; one that stops loses nothing."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from PIL import Image
from running_server import SECONDS, serving
from small_bundle import write_colours

CLIENTS = 6


@pytest.fixture
def bundle(tmp_path):
    return write_colours(tmp_path / "bundle")


def slow_images(count=2):
    """Images that take half a second each: few bytes, and 48 megapixels."""
    stream = io.BytesIO()
    Image.new("L", (8000, 6000), 99).save(stream, "png")
    return [("images", ("slow.png", stream.getvalue()))] * count


def red():
    stream = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(stream, "png")
    return {"files": {"image": ("red.png", stream.getvalue())}}


def test_a_full_server_refuses_at_once_and_answers_its_probes(bundle, tmp_path):
    limits = {"slots": 1, "queue": 1, "max_wait": 20}
    with serving(bundle, tmp_path, **limits) as server, ThreadPoolExecutor(CLIENTS) as pool:
        accepted = [pool.submit(server.post, files=slow_images()) for _ in range(2)]
        while "thaw_waiting 1.0" not in server.get("/metrics").text:
            time.sleep(0.02)
        for _ in range(5):
            started = time.monotonic()
            refused = server.post(**red())
            assert refused.status_code == 503 and refused.json()["error"]["code"] == "busy"
            assert refused.headers["Retry-After"] == "1"
            assert len(refused.headers["X-Request-ID"]) == 32
            assert refused.headers["X-Content-Type-Options"] == "nosniff"
            for path in ("/health/live", "/health/ready", "/metrics", "/"):
                assert server.get(path).status_code == 200
            assert time.monotonic() - started < 1
        assert not any(response.done() for response in accepted)
        counted = 'thaw_requests_total{code="busy",method="POST",route="/predict",status="503"} 5.0'
        assert counted in server.get("/metrics").text
        assert sum(line.get("code") == "busy" for line in server.lines()) == 5
        assert [response.result().status_code for response in accepted] == [200, 200]
        assert server.post(**red()).status_code == 200


def test_a_request_waits_for_a_slot_only_so_long(bundle, tmp_path):
    limits = {"slots": 1, "queue": 1, "max_wait": 0.1}
    with serving(bundle, tmp_path, **limits) as server, ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(server.post, files=slow_images())
        while "thaw_running 1.0" not in server.get("/metrics").text:
            time.sleep(0.02)
        refused = server.post(**red())
        assert refused.status_code == 503 and "no slot was free for 0.1 s" in refused.text
        assert accepted.result().status_code == 200


def test_sigterm_under_load_loses_no_accepted_request(bundle, tmp_path):
    body, ended, answers = red(), threading.Event(), []

    def call(server):
        """Send requests on one connection until the server refuses a new connection."""
        with requests.Session() as session:
            while True:
                try:
                    response = session.post(server.url + "/predict", timeout=SECONDS, **body)
                except requests.ConnectionError as error:
                    assert "refused" in str(error), error  # not: closed without an answer
                    return
                answers.append((ended.is_set(), response.status_code))
                if response.headers.get("Connection") == "close":
                    session.close()

    with serving(bundle, tmp_path) as server, ThreadPoolExecutor(CLIENTS + 1) as pool:
        slow = pool.submit(server.post, files=slow_images())
        clients = [pool.submit(call, server) for _ in range(CLIENTS)]
        time.sleep(0.5)
        ended.set()
        assert server.stop() == 0
        assert slow.result().status_code == 200
        for client in clients:
            client.result()
    assert len(answers) >= CLIENTS and {status for _, status in answers} == {200}
