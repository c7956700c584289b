"""The commands of README and docs run in order, and what they name exists."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import pytest
import yaml
from chromium import visiting
from project import ROOT, draw_shapes, run
from running_page import paging

from thaw.backbones import BACKBONES
from thaw.sample.generate import draw

INDEX = (ROOT / "docs/index.md").read_text()
PAGES = [  # in the order of the table of contents; the reference is written by the code
    ROOT / "README.md",
    *(ROOT / f"docs/{name}.md" for name in re.findall(r"(?m)^([a-z]+)$", INDEX)),
]
README = "\n".join(path.read_text() for path in PAGES)
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
BLOCK = r"```console\n(.*?)```(\n<!-- not run here: .+? -->)?"
FOUND = [  # section, commands and mark of every block, in order
    (section.partition("\n")[0], block, mark)
    for section in re.split(r"(?m)^#+ ", README)[1:]
    for block, mark in re.findall(BLOCK, section, re.DOTALL)
]
STEPS = [  # section and command, of every block that runs here
    (section, line.removeprefix("$ ").split("  #")[0].strip())
    for section, block, mark in FOUND
    for line in block.splitlines()
    if line.startswith("$ ") and not mark
]
COMMANDS = [command for _, command in STEPS]
SHOWS = {
    ("Thaw", "make repro"): "plots are in plots/",
    ("Start", "dvc repro"): "up to date",
    ("Start", "dvc metrics show"): "accuracy",
    ("Start", "dvc plots show"): "dvc_plots/index.html",
    ("Start", "thaw verify"): "parts are undamaged",
    ("Experiments", "dvc exp show --only-changed --drop '/|accuracy_|Created'"): "head-only",
    ("Experiments", "dvc metrics diff"): "loss",
    ("Sweeps", "thaw sweep train.freeze_till=all,140,100 --time 10m"): "chosen: freeze_till=",
    ("Sweeps", "thaw compare"): "against the first",
    ("Sweeps", "thaw sweep --clean"): "MB are free again",
    ("Predict", "thaw predict my-photo.jpg labelled --top 2"): "label_2",
    ("Predict", "thaw predict photos.zip -o found.csv --resume"): "found.csv is written",
    ("Predict", "thaw predict labelled --labels folders -o answers.jsonl"): "accuracy",
    ("Predict", "thaw bundle info"): "on test",
    ("Predict", "thaw bundle pack -o pets.zip"): "with metrics on test",
    ("Predict", "thaw bundle verify pets.zip"): "parts are undamaged",
    ("Serve", "curl -s -F image=@my-photo.jpg 'localhost:5001/predict?explain=1'"): "overlay",
    ("Serve", "thaw publish models/bundle"): "published in models/published",
    ("Keep, go back, share", "git restore . && dvc checkout"): "models/bundle",
    ("Keep, go back, share", "dvc push && git push"): "files pushed",
    ("Keep, go back, share", "dvc exp push origin half"): "files uploaded",
    (
        "Your images",
        "thaw use mobilenetv2 data.source=photos.zip base.weights=weights.h5",
    ): '→ "photos.zip"',
    ("Your images", "dvc repro"): "Running stage 'report'",
}
PAGE = "thaw page"  # until it is stopped; a test of its own runs it
RUN = [(section, command) for section, command in STEPS if command != PAGE]
NEXT = "=== the next command ==="
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


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A fresh clone of the files as they are here, and beside it the remote that it came from.

    The packages are those of this environment, as `make repro` would install them.
    """
    folder = tmp_path_factory.mktemp("readme")
    for name in run("git ls-files -z --cached --others --exclude-standard", ROOT).split("\0"):
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    (folder / ".gitconfig").write_text("[user]\nname = Test\nemail = a@b.c\n")
    run(f"git init -q && git add -A && HOME={folder} git commit -qm start", folder / "source")
    run("git clone -q --bare source origin.git && git clone -q origin.git thaw", folder)
    (folder / "thaw/.venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != "installed":
            (folder / "thaw/.venv" / path.name).symlink_to(path)
    (folder / "thaw/.venv/installed").touch()
    return folder / "thaw"


@pytest.fixture(scope="module")
def shown(clone):
    """What each command prints, all in order in one fresh shell, until one fails."""
    draw_shapes(clone.parent / "shapes")
    shutil.make_archive(str(clone / "photos"), "zip", clone.parent / "shapes")
    for label in ("Cat", "Dog"):
        (clone / "labelled" / label).mkdir(parents=True)
        for number in range(3):
            image = draw(1, label, number)
            image.save(clone / "labelled" / label / f"{number}.png")
    image.save(clone / "my-photo.jpg")
    base = keras.applications.MobileNetV2((224, 224, 3), include_top=False, weights=None)
    base.save(clone / "weights.h5")
    script = "".join(f"{command} || exit\necho '{NEXT}'\n" for _, command in RUN)
    environment = {
        "HOME": str(clone.parent),
        "PATH": os.defpath,
        "PYTHONPATH": str(clone / "src"),  # the package that is installed is another one
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.stdout.split(NEXT)


def test_a_newcomer_gets_an_answer_for_an_image_of_their_own_with_three_commands(
    shown, clone, browser
):
    assert COMMANDS[:3] == ["make repro", ". .venv/bin/activate", PAGE]
    with paging(clone, PYTHONPATH=str(clone / "src")) as url, visiting(browser, url) as page:
        page.locator(".st-key-upload input[type=file]").set_input_files(clone / "my-photo.jpg")
        page.locator(".st-key-answer h3").wait_for()
        assert page.locator(".st-key-answer h3").inner_text().partition(" ")[0] in ("Cat", "Dog")


@pytest.mark.parametrize("number", range(len(RUN)), ids=map(" - ".join, RUN))
def test_the_commands_run_in_order_in_a_fresh_shell(number, shown):
    if len(shown) <= number:
        pytest.skip("a command before it failed")
    assert len(shown) > number + 1, shown[-1]
    assert SHOWS.get(RUN[number], "") in shown[number]


def test_the_python_of_the_readme_runs(shown, clone):
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (clone / "example.py").write_text(code)
    label, confidence, *_ = run("python example.py", clone).split()
    assert label and 0 < float(confidence) <= 1
    assert (clone / "why.png").stat().st_size > 1000


def test_another_clone_gets_the_outputs_and_the_experiment(shown, clone):
    run("git clone -q origin.git another", clone.parent)
    for command in ("git pull && dvc pull", "dvc exp pull origin half"):
        assert command in COMMANDS
        run(command, clone.parent / "another")
    assert "up to date" in run("dvc status", clone.parent / "another")
    run("dvc exp apply half", clone.parent / "another")
    assert "up to date" in run("dvc status", clone.parent / "another")


def test_make_repro_installs_first():
    assert "-m venv .venv" in run("make --dry-run --always-make repro", ROOT)


def test_every_command_was_found():
    marked = [line for _, block, mark in FOUND for line in block.splitlines() if mark]
    said = re.findall(r"(?m)^\s*\$ .*", README + CONTRIBUTING)
    assert len(COMMANDS) + sum(line.startswith("$ ") for line in marked) == len(said)
    assert len(COMMANDS) > 50
    assert set(SHOWS) <= set(STEPS)


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_a_command_within_a_sentence_is_one_of_those_or_finds_its_files(text):
    def plain(command):
        return re.sub(r"=\S+", "=", command)

    for command in re.findall(r"`((?:make|python|pip|dvc|thaw)(?: [^`]+)?)`", text):
        program, *arguments = command.split()
        if program == "make":
            run(f"make --dry-run {' '.join(arguments)}", ROOT)
        elif program in ("dvc", "thaw"):
            known = (plain(other) for line in COMMANDS for other in line.split(" && "))
            assert any(f"{other} ".startswith(f"{plain(command)} ") for other in known), command
        elif arguments[0] == "-m":
            assert find_spec(arguments[1]), command
        else:
            path = arguments[-1].strip("'").partition("[")[0] if program == "pip" else arguments[0]
            assert (ROOT / path).exists(), command


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "docs/index.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name
)
def test_links_and_images_exist(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target
            run(f"git check-ignore -q {page.parent / target}", ROOT, expect=1)


def test_the_site_builds_without_a_warning(tmp_path):
    run(f"sphinx-build -q -W --keep-going -d {tmp_path}/trees docs {tmp_path}/site", ROOT)
    page = (tmp_path / "site/index.html").read_text()
    assert "How frozen layers run once" in page
    written = "".join(path.read_text() for path in (tmp_path / "site").rglob("*.html"))
    sources = set(re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"(https?:[^\"]+)", written))
    assert sources == set()  # it is readable offline


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
    shown = dict(re.findall(r"(?m)^(?:[ │]*[└├]─ )?(\w+) {2,}(\w+/\S*)", README))
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
