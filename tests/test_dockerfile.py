"""The Dockerfile's steps, followed in an empty folder, give an API that answers."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser
from project import ROOT
from running_server import running
from small_bundle import save_colours, write_colours

LARGEST = 400_000_000  # bytes of the environment of `serve`; most of them are OpenVINO's
SYSTEM = ("useradd", "apt-get")  # steps that change the system, and take root


def instructions():
    """Those of each stage, by its name: pairs of a word and a text; and what it is made from."""
    with (ROOT / "Dockerfile").open("rb") as stream:
        parsed = DockerfileParser(fileobj=stream).structure
    stages, bases = {}, {}
    for step in parsed:
        word, value = step["instruction"], step["value"]
        if word == "FROM":
            base, _, name = value.split()
            stages[name], bases[name] = [], base
        elif word != "COMMENT" and stages:
            stages[name].append((word, value))
    return stages, bases


STAGES, BASES = instructions()


def chain(name):
    """The instructions of a stage, after those of the stages that it is made from."""
    return (chain(BASES[name]) if name in STAGES and BASES[name] in STAGES else []) + STAGES[name]


class Followed:
    """The steps of a stage, in a folder that stands for the root of its file system."""

    def __init__(self, folder: Path) -> None:
        self.root, self.work = folder, folder
        self.variables = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}

    def inside(self, text):
        """A text with the container's paths in the folder."""
        for place in ("/opt/", "/source", "/bundles"):
            text = text.replace(place, f"{self.root}{place}")
        return text

    def follow(self, name):
        """Do what a stage says, and return its command."""
        command = []
        for word, value in chain(name):
            if word == "WORKDIR":
                self.work = Path(self.inside(value))
                self.work.mkdir(parents=True, exist_ok=True)
            elif word == "COPY":
                self.copy(*value.split())
            elif word == "RUN" and not value.startswith(SYSTEM):
                self.run(["bash", "-ec", self.inside(value)])
            elif word in ("ENV", "ARG"):
                for name, given in (pair.split("=", 1) for pair in shlex.split(value)):
                    before = self.variables["PATH"]
                    self.variables[name] = self.inside(given).replace("$PATH", before)
            elif word == "ENTRYPOINT":
                command = [self.inside(part) for part in json.loads(value)]
        return command

    def copy(self, *words):
        """COPY, from what .dockerignore lets through, or from another stage."""
        if words[0].startswith("--from="):
            assert words[1] == words[2]  # all stages share the folder
            self.follow(words[0].removeprefix("--from="))
            return
        allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if "!" in line}
        *sources, target = words
        for source in sources:
            assert source in allowed
            path = self.work / target
            if (ROOT / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
                shutil.copytree(ROOT / source, path, ignore=ignored)
            else:
                shutil.copy(ROOT / source, path)

    def run(self, command):
        """The output of a command in the folder."""
        done = subprocess.run(
            command, cwd=self.work, env=self.environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def environment(self):
        """Nothing of this process's environment but how pip is configured."""
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        return self.variables | pip


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    followed = Followed(tmp_path_factory.mktemp("container"))
    followed.command = followed.follow("serve")
    return followed


def test_the_environment_of_serve_is_small(followed):
    files = [path for path in (followed.root / "opt").rglob("*") if not path.is_symlink()]
    assert sum(path.stat().st_size for path in files if path.is_file()) <= LARGEST
    assert not (followed.root / "opt/thaw/bin/pip").exists()


def test_the_api_answers(followed, tmp_path):
    write_colours(followed.root / "bundles/bundle")
    [image, *_] = save_colours(tmp_path / "images", 1)
    command = [*followed.command, "--port", "0"]
    command[command.index("0.0.0.0")] = "127.0.0.1"
    program = followed.root / "opt/thaw/bin" / command.pop(0)
    with running(command, tmp_path, program, followed.environment()) as server:
        answer = server.post(data=image.read_bytes(), headers={"Content-Type": "image/png"})
        assert answer.json()["label"] == image.parent.name
        port = server.url.rpartition(":")[2]
        [check] = [value for word, value in STAGES["serve"] if word == "HEALTHCHECK"]
        words = json.loads(check[check.index("[") :])
        followed.run([word.replace("5001", port) for word in words])
        assert server.stop() == 0


def test_what_ships_is_neither_root_nor_compiled():
    for target, port in (("serve", "5001"), ("page", "8501"), ("train", None)):
        steps = chain(target)
        assert ("USER", "10001") in steps
        assert port is None or ("EXPOSE", port) in STAGES[target]
        assert not any("gcc" in value or "build-essential" in value for _, value in steps)
    api, page = (json.loads(dict(STAGES[target])["ENTRYPOINT"]) for target in ("serve", "page"))
    assert api[2:] == page[2:]  # the same bundle answers
    assert {BASES[name] for name in ("source", "runtime", "train")} == {"${BASE}"}
