"""Importing a module of thaw changes nothing in the process."""

import ast
import gc
import importlib
import logging
import os
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
from project import ROOT

LOGGERS = ("root", "thaw", "tensorflow", "tf2onnx")
MODULES = sorted(
    ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "src/thaw").rglob("*.py")
)
PLANTS = {
    "seeds": ("import numpy\nnumpy.random.seed(0)", "numpy.random"),
    "draws": ("import random\nrandom.random()", "random"),
    "hides": ("import sys\nsys.modules['tf2onnx'] = None", "modules hidden"),
    "freezes": ("import gc\ngc.freeze()", "gc"),
    "sets": ("import os\nos.environ['PLANTED'] = '1'", "os.environ"),
    "quietens": ("import logging\nlogging.getLogger('thaw').setLevel(50)", "logging"),
    "ignores": ("import warnings\nwarnings.simplefilter('ignore')", "warnings.filters"),
    "moves": ("import os\nos.chdir('/')", "working directory"),
    "extends": ("import sys\nsys.path.append('stages')", "sys.path"),
}


def state():
    """What a module must leave alone, by name."""
    name, keys, *rest = np.random.get_state()
    loggers = [logging.getLogger(None if name == "root" else name) for name in LOGGERS]
    return {
        "modules hidden": {name for name, module in sys.modules.items() if module is None},
        "gc": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count() > 0),
        "os.environ": dict(os.environ),
        "random": random.getstate(),
        "numpy.random": (name, keys.tolist(), rest),
        "logging": [(logger.level, logger.disabled, *logger.handlers) for logger in loggers],
        "warnings.filters": list(warnings.filters),
        "working directory": os.getcwd(),
        "sys.argv": list(sys.argv),
        "sys.path": list(sys.path),
    }


def import_what_others_wrote(module):
    """Import what `module` imports at its top and is not thaw's, so that thaw alone is judged."""
    with open(importlib.util.find_spec(module).origin, encoding="utf-8") as stream:
        body = ast.parse(stream.read()).body
    for node in body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        else:
            names = []
        for name in names:
            if name.partition(".")[0] != "thaw":
                importlib.import_module(name)


def main():
    """Import the modules that are named in the arguments, and print what each has changed."""
    names = sys.argv[1:]
    for name in names:
        import_what_others_wrote(name)
    before = state()
    for name in names:
        importlib.import_module(name)
        after = state()
        for what, value in after.items():
            if value != before[what]:
                print(f"{name} changes {what}")
        before = after


def changes(names, paths, folder):
    """What a fresh process, in `folder`, prints about these modules."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = [sys.executable, __file__, *names]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("with_tensorflow", [False, True])
def test_importing_a_module_changes_nothing(with_tensorflow, tmp_path):
    names = [name for name in MODULES if with_tensorflow or not name.startswith("thaw.model")]
    assert changes(names, [ROOT / "src"], tmp_path) == []


def test_a_module_that_changes_something_is_caught(tmp_path):
    for name, (code, _) in PLANTS.items():
        (tmp_path / f"planted_{name}.py").write_text(code)
    expected = [f"planted_{name} changes {what}" for name, (_, what) in PLANTS.items()]
    assert changes([f"planted_{name}" for name in PLANTS], [tmp_path], tmp_path) == expected


def test_nothing_but_the_model_loads_tensorflow(tmp_path):
    names = [name for name in MODULES if not name.startswith("thaw.model")]
    code = f"import sys, {', '.join(names)}; print({{'keras', 'tensorflow'}} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.stdout.decode().strip() == "set()", done.stderr.decode()


if __name__ == "__main__":
    main()
