"""The README's commands run, and what it names exists."""

import ast
import re

import pytest
from project import ROOT, run

README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.removeprefix("$ ").split("  #")[0].strip()
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]
INSTALLS = {"make repro", ". .venv/bin/activate"}  # what has already happened in a test
SMALL = {  # the same command, at the size of the test's project
    "dvc exp run --queue -S 'train.freeze_till=0,60,117,all' && dvc queue start": (
        "dvc exp run --queue -S 'train.freeze_till=60,117' && dvc queue remove --all"
    ),
    "thaw use mobilenetv2 data.source=photos.zip base.weights=weights.h5": (
        "thaw use mobilenetv2 data.source=shapes base.weights=none"
    ),
}


@pytest.mark.parametrize("command", dict.fromkeys(COMMANDS))
def test_a_command_of_the_readme_runs(command, project):
    if command in INSTALLS:
        assert "\nrepro: .venv/installed" in (ROOT / "Makefile").read_text()
        return
    try:
        run(SMALL.get(command, command), project)
    finally:
        run("git checkout -q . && git clean -fdq && dvc checkout -q", project)


def test_the_commands_were_found():
    assert {"make repro", "dvc repro", "dvc metrics diff", "dvc plots show"} <= set(COMMANDS)
    assert set(SMALL) <= set(COMMANDS)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_pictures_and_make_targets_exist(name):
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert "://" in target or (ROOT / target).exists(), target
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z]+)`", text):
        assert f"\n{target}:" in makefile, target


def test_the_backbones_and_setups_named_are_the_ones_there_are():
    source = ast.parse((ROOT / "src/thaw/model/backbones.py").read_text())
    table = next(
        node.value
        for node in source.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BACKBONES"
    )
    listed = re.search(r"`base.name` is any of (.*?)\.\n", README, re.DOTALL)[1]
    assert re.findall(r"\w+", listed.replace(" and ", " ")) == [key.value for key in table.keys]
    named = re.findall(r"(?m)^\| `(\w+)` \| ", README.split("| setup |")[1].split("\n\n")[0])
    assert sorted(named) == sorted(path.stem for path in (ROOT / "setups").glob("*.yaml"))


def test_the_places_named_are_there_or_are_made():
    pipeline = (ROOT / "dvc.yaml").read_text()
    rows = README.split("| path | what it holds |")[1].split("\n\n")[0]
    for place in re.findall(r"`([^`]+/|[^`]+\.yaml)`", rows):
        assert (ROOT / place).exists() or place.rstrip("/") in pipeline, place
