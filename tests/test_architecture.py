"""Arrows point one way: who imports whom, what each stage depends on, how long functions are."""

import ast
import importlib.util
import shlex
import shutil

import pytest
import yaml
from project import ROOT, run

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())
LONGEST = 40  # lines of a function, with its docstring
SOURCES = [path for folder in ("src", "stages") for path in sorted((ROOT / folder).rglob("*.py"))]

spec = importlib.util.spec_from_file_location("stage_deps", ROOT / ".ci/stage_deps.py")
stage_deps = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stage_deps)


@pytest.fixture
def copy(tmp_path):
    """A copy of what decides the architecture, with the deps as they should be."""
    for name in ("src", "stages"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.h5")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("dvc.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    run("python .ci/stage_deps.py", tmp_path)
    return tmp_path


def append(path, text):
    path.write_text(path.read_text() + text)


def test_each_stage_depends_on_every_module_that_it_imports():
    _, differences = stage_deps.update_project(ROOT)
    assert differences == [], "run `make deps`"


def test_writing_the_deps_again_leaves_the_same_bytes(copy):
    before = (copy / "dvc.yaml").read_bytes()
    run("python .ci/stage_deps.py", copy)
    assert (copy / "dvc.yaml").read_bytes() == before


def deps_in(folder):
    """The code deps of each stage, as dvc.yaml lists them."""
    stages = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"]
    return {name: [*filter(stage_deps.is_code, entry["deps"])] for name, entry in stages.items()}


def test_a_missing_dep_is_found_and_written(copy):
    before = (copy / "dvc.yaml").read_text()
    dep = "      - src/thaw/data/split.py\n"
    (copy / "dvc.yaml").write_text(before.replace(dep, "", 1))
    output = run("python .ci/stage_deps.py --check", copy, expect=1)
    assert "split: src/thaw/data/split.py is imported and not in deps" in output
    run("python .ci/stage_deps.py", copy)
    assert (copy / "dvc.yaml").read_text() == before


def test_a_superfluous_dep_is_found_and_removed(copy):
    before = (copy / "dvc.yaml").read_text()
    script = "      - stages/split.py\n"
    (copy / "dvc.yaml").write_text(
        before.replace(script, f"{script}      - src/thaw/evaluate/plots.py\n", 1)
    )
    output = run("python .ci/stage_deps.py --check", copy, expect=1)
    assert "split: src/thaw/evaluate/plots.py is in deps and not imported" in output
    run("python .ci/stage_deps.py", copy)
    assert (copy / "dvc.yaml").read_text() == before


def test_an_import_inside_a_function_of_another_module_counts(copy):
    inside = "\n\ndef late():\n    from thaw.data.duplicates import group_names\n"
    append(copy / "src/thaw/data/tables.py", inside)
    output = run("python .ci/stage_deps.py --check", copy, expect=1)
    assert "report: src/thaw/data/duplicates.py is imported and not in deps" in output


def test_modules_that_carry_values_are_no_deps_nor_are_those_behind_them(copy):
    append(copy / "src/thaw/paths.py", "\nimport thaw.evaluate.calibration\n")
    assert "are those" in run("python .ci/stage_deps.py --check", copy)
    values = {module.replace(".", "/") for module in stage_deps.VALUES}
    for deps in deps_in(copy).values():
        assert not {dep.removeprefix("src/").removesuffix(".py") for dep in deps} & values


def test_comments_and_layout_of_dvc_yaml_stay():
    text = (
        "# top\nstages:\n  one:  # first\n    cmd: x\n    deps:\n      # why\n      - data/a.csv\n"
        "      - src/thaw/old.py  # gone\n      - stages/one.py  # itself\n    params: [a, b]\n\n"
        "  two:\n    deps:\n      - stages/two.py\n\nplots:\n  - a:\n      deps: [x]\n"
    )
    wanted = {"one": ["stages/one.py", "src/thaw/new.py"], "two": ["stages/two.py"]}
    written, differences = stage_deps.update(text, wanted.get)
    assert len(differences) == 2
    assert written == (
        "# top\nstages:\n  one:  # first\n    cmd: x\n    deps:\n      - stages/one.py  # itself\n"
        "      - src/thaw/new.py\n      # why\n      - data/a.csv\n    params: [a, b]\n\n"
        "  two:\n    deps:\n      - stages/two.py\n\nplots:\n  - a:\n      deps: [x]\n"
    )


def test_a_stage_without_a_list_of_deps_is_an_error():
    text = "stages:\n  one:\n    deps: [stages/one.py]\n  two:\n    deps:\n      - stages/two.py\n"
    with pytest.raises(ValueError, match="one has not"):
        stage_deps.update(text, {"two": ["stages/two.py"]}.get)


def test_packages_hold_nothing_but_their_docstring():
    for path in (ROOT / "src/thaw").rglob("*/__init__.py"):  # thaw itself has `load`
        body = ast.parse(path.read_text()).body
        assert len(body) == 1 and ast.get_docstring(ast.parse(path.read_text())), path


RUN_NETWORKS = ("embed", "features", "train", "evaluate", "explain")


@pytest.mark.parametrize("stage", PIPELINE["stages"])
def test_a_stage_runs_its_script(stage):
    words = shlex.split(PIPELINE["stages"][stage]["cmd"])
    assert words[-2:] == ["python", f"stages/{stage}.py"]
    environment = words[:-2]
    # The code of an experiment's own copy, not of the installed package.
    assert environment[:2] == ["env", "PYTHONPATH=src"]
    # What runs a network may use no newer instructions, for equal digits on all processors.
    isa = "ONEDNN_MAX_CPU_ISA=${compute.max_cpu_isa}"
    assert (isa in environment) == (stage in RUN_NETWORKS)
    # OpenBLAS takes other kernels on processors with AVX-512.
    blas = "OPENBLAS_CORETYPE=Haswell"
    assert (blas in environment) == (stage in ("audit", "crossval", "export", "train"))
    # tf2onnx iterates over sets of names, so its output depends on Python's hash seed.
    hash_seed = "PYTHONHASHSEED=0"
    assert (hash_seed in environment) == (stage in ("base", "train"))
    assert set(environment[2:]) <= {isa, blas, hash_seed} or stage == "train"


@pytest.mark.parametrize("stage", ["base", "train", "export"])
def test_the_stages_that_build_the_base_depend_on_the_weights_of_the_sample(stage):
    assert "src/thaw/sample/base.weights.h5" in PIPELINE["stages"][stage]["deps"]


def test_every_declared_param_is_one_and_is_read():
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for stage, entry in PIPELINE["stages"].items():
        text = "".join(
            (ROOT / dep).read_text() for dep in filter(stage_deps.is_code, entry["deps"])
        )
        for name in entry.get("params", ()):
            section, _, key = name.partition(".")
            assert section in values and (not key or key in values[section])
            assert (key or section) in text, f"{stage} declares {name} and does not read it"


def test_imports_keep_the_contracts_of_pyproject():
    assert "0 broken" in run("lint-imports --no-cache", ROOT)


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("data/split.py", "thaw.model.network", "Imports go down only"),
        ("images.py", "thaw.params", "Serving takes the core only"),
        ("features/graph.py", "keras", "Only model"),
        ("bundle.py", "pandas", "Serving takes the core only"),
        ("evaluate/metrics.py", "thaw.serving.predictor", "Evaluation is handed its predictor"),
        ("sample/generate.py", "thaw.images", "The sample stands on parallel and ground"),
        ("elsewhere.py", "thaw.errors", "Imports go down only"),  # a module in no layer
    ],
)
def test_a_forbidden_import_is_caught(copy, module, imported, contract):
    path = copy / "src/thaw" / module
    path.write_text((path.read_text() if path.exists() else "") + f"\nimport {imported}\n")
    output = run("lint-imports --no-cache", copy, expect=1)
    line = next(line for line in output.splitlines() if line.startswith(contract))
    assert "BROKEN" in line


def functions():
    """Every function of src and stages, with where it stands."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}: {node.name}", node


def test_functions_are_short():
    lengths = {where: node.end_lineno - node.lineno + 1 for where, node in functions()}
    assert {where: lines for where, lines in lengths.items() if lines > LONGEST} == {}


def test_functions_have_few_parameters():
    assert "All checks passed" in run("ruff check --no-cache --select PLR0913 src stages", ROOT)
