"""Arrows point one way: who may import what, by reading the imports and by importing."""

import ast
import subprocess
import sys

import pytest
import yaml
from project import ROOT

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())


def imports(path):
    """The files of src/thaw that a file imports itself, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            module = (ROOT / "src" / name.replace(".", "/")).with_suffix(".py")
            package = module.with_name("__init__.py")
            if module.exists():
                found |= {module, package} if code(package) else {module}
    return found


def code(path):
    """Whether a file holds more than its docstring."""
    return len(ast.parse(path.read_text()).body) > 1


def reached(path):
    """All files of src/thaw that a file imports, directly or not."""
    found, todo = set(), [path]
    while todo:
        fresh = imports(todo.pop()) - found
        found |= fresh
        todo += fresh
    return {file.relative_to(ROOT).as_posix() for file in found}


@pytest.mark.parametrize("stage", PIPELINE["stages"])
def test_a_stage_depends_on_itself_and_on_every_module_it_imports(stage):
    script = f"stages/{stage}.py"
    fixed = "env PYTHONHASHSEED=0 " if stage == "train" else ""
    assert PIPELINE["stages"][stage]["cmd"] == f"{fixed}python {script}"
    deps = {dep for dep in PIPELINE["stages"][stage]["deps"] if dep.endswith(".py")}
    assert deps == reached(ROOT / script) | {script}


@pytest.mark.parametrize("stage", ["base", "train"])
def test_the_stages_that_build_the_base_depend_on_the_weights_of_the_sample(stage):
    assert "src/thaw/sample/base.weights.h5" in PIPELINE["stages"][stage]["deps"]


def test_every_declared_param_is_one_and_is_read():
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for stage, entry in PIPELINE["stages"].items():
        text = (ROOT / f"stages/{stage}.py").read_text()
        for name in entry.get("params", ()):
            section, _, key = name.partition(".")
            assert section in values and (not key or key in values[section])
            assert (key or section) in text, f"{stage} declares {name} and does not read it"


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("data", {"frozen", "model", "evaluate", "serving", "cli"}),
        ("frozen", {"model", "evaluate", "serving", "cli", "sample"}),
        ("model", {"evaluate", "serving", "cli", "sample"}),
        ("evaluate", {"frozen", "model", "serving", "cli", "sample"}),
        ("serving", {"frozen", "model", "evaluate", "cli", "sample"}),
    ],
)
def test_rooms_import_only_what_they_may(room, forbidden):
    for path in (ROOT / "src/thaw" / room).glob("*.py"):
        rooms = {file.relative_to(ROOT / "src/thaw").parts[0] for file in imports(path)}
        assert not {part.removesuffix(".py") for part in rooms} & forbidden, path


def test_nothing_but_the_model_loads_tensorflow():
    modules = [
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        for room in ("", "data", "frozen", "evaluate", "serving", "sample")
        for path in (ROOT / "src/thaw" / room).glob("*.py")
    ]
    code = f"import sys, {', '.join(modules)}; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "src"
    )
    assert done.stdout.strip() == "False"
