"""Files and folders appear whole or not at all."""

import math
import subprocess
import sys

import pytest
from damage import assert_noticed
from project import ROOT

from thaw.errors import ThawError
from thaw.files import atomic_write, read_json, remove_temporaries, sha256_of, write_json


def test_a_failure_leaves_what_was_there_and_no_remains(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_replaces_a_folder(tmp_path):
    folder = tmp_path / "bundle"
    for content in ("old", "new"):
        with atomic_write(folder) as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


def test_json_refuses_what_is_not_a_number(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "eval.json", {"loss": math.nan})
    assert not list(tmp_path.iterdir())


def test_damaged_json_is_named(tmp_path):
    path = tmp_path / "best.json"
    write_json(path, {"epoch": 3})
    assert read_json(path, ["epoch"]) == {"epoch": 3}
    assert_noticed(path, lambda: read_json(path))
    for text in ("null", "[]", "3", "{}", '{"loss": 1}', "[" * 10**5):
        path.write_text(text)
        with pytest.raises(ThawError, match=r"best\.json must be as .*, but is damaged"):
            read_json(path, ["epoch"])


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert sha256_of(tmp_path / "empty").startswith("e3b0c44298fc1c14")


KILLED = """
import os, sys
from thaw.files import atomic_write
with atomic_write(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os._exit(1)
"""


def test_temporaries_of_killed_runs_are_removed_for_their_own_path_alone(tmp_path):
    for name in ("table.csv", "table.csv.gz"):
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], cwd=ROOT / "src")
    assert len(list(tmp_path.iterdir())) == 2
    remove_temporaries(tmp_path / "table.csv")
    assert [path.name.startswith(".table.csv.gz.") for path in tmp_path.iterdir()] == [True]
