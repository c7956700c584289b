"""The README's commands run, and what it names exists."""

import re
import shutil
from importlib.util import find_spec

import pytest
import yaml
from project import ROOT, run

from thaw.backbones import BACKBONES

README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
COMMANDS = [
    line.removeprefix("$ ").split("  #")[0].strip()
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]
INSTALLS = {  # what has happened before a test: what `make repro` says that it would do
    "make repro": "dvc repro",
    ". .venv/bin/activate": "-m venv .venv",
}
SHORTER = {  # would train for minutes
    "dvc exp run --queue -S 'train.freeze_till=0,60,117,all' && dvc queue start": (
        "dvc exp run --queue -S 'train.freeze_till=0,60,117,all' && dvc queue remove --all"
    ),
}
SHOWS = {
    "dvc repro": "up to date",
    "dvc metrics show": "accuracy",
    "dvc plots show": "dvc_plots/index.html",
    "dvc exp run -S train.freeze_till=all": "Ran experiment",
    "thaw verify": "parts are undamaged",
    "thaw use mobilenetv2 data.source=photos.zip base.weights=weights.h5": '→ "photos.zip"',
}
OUTS = {  # of each stage
    name: [
        out if isinstance(out, str) else next(iter(out))
        for out in [*stage.get("outs", []), *stage.get("metrics", [])]
    ]
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items()
}


def rows(heading):
    """The cells of the table with that heading."""
    lines = README.split(f"| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    return [line.strip("| ").split(" | ") for line in lines]


def holds(place, outs):
    """Whether a place is one of these outputs or a folder of some."""
    return any(f"{out}/".startswith(f"{place.rstrip('/')}/") for out in outs)


@pytest.mark.parametrize("command", dict.fromkeys(COMMANDS))
def test_a_command_of_the_readme_runs(command, project):
    if command in INSTALLS:
        assert INSTALLS[command] in run("make --dry-run --always-make repro", ROOT)
        return
    assert command.split()[0] in ("dvc", "thaw"), "say here how this command is tested"
    shutil.make_archive(str(project / "photos"), "zip", project / "shapes")
    shutil.copy(project / "src/thaw/sample/base.weights.h5", project / "weights.h5")
    try:
        assert SHOWS.get(command, "") in run(SHORTER.get(command, command), project)
    finally:
        run("git checkout -q . && git clean -fdq && dvc checkout -q", project)


def test_every_command_was_found():
    assert len(COMMANDS) == len(re.findall(r"(?m)^\s*\$ ", README + CONTRIBUTING)) > 10
    assert {*INSTALLS, *SHORTER, *SHOWS} <= set(COMMANDS)


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_a_command_within_a_sentence_is_one_of_those_or_finds_its_files(text):
    def plain(command):
        return re.sub(r"=\S+", "=", command)

    for command in re.findall(r"`((?:make|python|pip|dvc|thaw)(?: [^`]+)?)`", text):
        program, *arguments = command.split()
        if program == "make":
            run(f"make --dry-run {' '.join(arguments)}", ROOT)
        elif program in ("dvc", "thaw"):
            known = (plain(other) for other in COMMANDS)
            assert any(f"{other} ".startswith(f"{plain(command)} ") for other in known), command
        elif arguments[0] == "-m":
            assert find_spec(arguments[1]), command
        else:
            assert (ROOT / arguments[-1 if program == "pip" else 0]).exists(), command


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_links_and_images_exist(text):
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert (ROOT / target).exists(), target
            run(f"git check-ignore -q {target}", ROOT, expect=1)


def test_the_settings_named_exist():
    settings = yaml.safe_load((ROOT / "setups/sample.yaml").read_text())
    sections = "|".join(name for name, keys in settings.items() if isinstance(keys, dict))
    named = set(re.findall(rf"(?:`|-S '?)({sections})\.(\w+)(?=`|=)", README))
    assert {("train", "freeze_till"), ("base", "name"), ("data", "source")} <= named
    for section, key in named:
        assert key in settings[section], f"{section}.{key}"


def test_the_backbones_and_setups_named_are_the_ones_there_are():
    listed = re.search(r"`base.name` is any of (.*?)\.\n", README, re.DOTALL)[1]
    assert re.findall(r"\w+", listed.replace(" and ", " ")) == list(BACKBONES)
    setups = [cells[0].strip("`") for cells in rows("setup | what it is")]
    assert sorted(setups) == sorted(path.stem for path in (ROOT / "setups").glob("*.yaml"))


def test_the_graph_shows_each_stage_and_what_it_writes():
    shown = dict(re.findall(r"(?m)^(?: *[└├]─ )?(\w+) {2,}(\w+/\S*)", README))
    assert set(shown) == set(OUTS)
    for name, place in shown.items():
        assert holds(place, OUTS[name]), name


def test_the_places_named_are_there_or_are_made(project):
    table = {cells[0]: cells[1] for cells in rows("path | what it holds")}
    places = [place for cell in table for place in re.findall(r"`([^`]+)`", cell)]
    made = [out for outs in OUTS.values() for out in outs]
    assert len(places) >= len(table) > 5
    for place in places:
        assert (ROOT / place).exists() or holds(place, made), place
    packages = {path.parent.name for path in (ROOT / "src/thaw").glob("*/__init__.py")}
    assert set(re.findall(r"`(\w+)`", table["`src/thaw/`"])) == packages
    for name in re.findall(r"`([^`]+)`", table["`models/bundle/`"]):
        assert (project / "models/bundle" / name).is_file(), name
