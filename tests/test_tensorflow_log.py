"""TensorFlow's start-up information is left out of the log, and nothing else is."""

import os
import re
import subprocess
import sys

import pytest
from project import ROOT, run

NOTICE = "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR"
INFORMATION = "I0000 00:00:1795650571.587003   10579 port.cc:153] oneDNN custom operations are on."
OTHER = [
    "E0000 00:00:1795650571.587003   10579 cuda_platform.cc:52] failed call to cuInit",
    "F0000 00:00:1795650571.587003   10579 cpu_feature_guard.cc:46] needs AVX",
    "It says I0000 in German: \N{LATIN SMALL LETTER A WITH DIAERESIS}",
]
PRINTED = "\n".join([NOTICE, INFORMATION, *OTHER])
OWN = r"(head|fine-tuning): .*|\d\d:\d\d:\d\d best epoch: .*"  # progress bars and the log


def printed(end="pass", expect=0, **environment):
    """What a process prints on stderr that prints and then does `end` while it imports."""
    code = f"""
import os, sys
from thaw.tensorflow_log import quiet_import
with quiet_import():
    os.write(2, {PRINTED.encode()!r} + b"\\n")
    {end}
print("level", os.environ["TF_CPP_MIN_LOG_LEVEL"], file=sys.stderr)
"""
    variables = os.environ | {"PYTHONPATH": str(ROOT / "src")} | environment
    if not environment:
        del variables["TF_CPP_MIN_LOG_LEVEL"]
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True)
    assert done.returncode == expect
    return done.stderr.decode().splitlines()


def test_information_is_left_out_and_the_rest_passes():
    assert printed() == [*OTHER, "level 3"]
    assert printed(TF_CPP_MIN_LOG_LEVEL="1") == [*OTHER, "level 1"]


def test_everything_passes_if_asked_for():
    assert printed(TF_CPP_MIN_LOG_LEVEL="0") == [NOTICE, INFORMATION, *OTHER, "level 0"]


def test_nothing_is_lost_if_the_import_fails():
    lines = printed("import no_such_module", expect=1)
    assert lines[: len(OTHER)] == OTHER and "No module named 'no_such_module'" in lines[-1]
    assert printed("os.abort()", expect=-6)[: len(OTHER)] == OTHER


@pytest.mark.parametrize("stage", ["base", "train"])
def test_a_stage_prints_its_own_lines_only(stage, project):
    unset = "env -u TF_CPP_MIN_LOG_LEVEL PYTHONHASHSEED=0"
    lines = run(f"{unset} python stages/{stage}.py", project).splitlines()
    assert [line for line in lines if line and not re.fullmatch(OWN, line)] == []
    assert "up to date" in run("dvc status", project)
