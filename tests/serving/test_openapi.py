"""The description is true: what it generates is answered as it says."""

import subprocess
import sys

import pytest
from running_server import serving
from small_bundle import write_colours

EXAMPLES = 60  # of each operation, at most


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("openapi")
    with serving(write_colours(folder / "bundle"), folder) as server:
        yield server


def test_generated_requests_are_answered_as_described(server, tmp_path):
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"]
    # Base64 of anything fits the schema, and is no image.
    checks = ["--checks", "all", "--exclude-checks", "positive_data_acceptance"]
    options = [*checks, "--max-examples", str(EXAMPLES), "--seed", "1"]
    phases = ["--phases", "examples,coverage,fuzzing", "--generation-database", "none"]
    done = subprocess.run(
        [*command, *options, *phases, "--no-color"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [line for line in server.lines() if line["event"] == "defect"]


def test_the_description_has_what_the_application_has_and_no_more(server):
    paths = server.get("/openapi.json").json()["paths"]
    assert "/predict" in paths and "/train" not in paths
    assert paths["/predict"]["post"]["responses"].keys() >= {"200", "413", "415", "422", "503"}
