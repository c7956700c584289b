"""The notebooks run from top to bottom after the pipeline, define nothing, and hold no outputs."""

import ast
import os

import nbformat
import pytest
from nbclient import NotebookClient
from project import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, project, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(project / "src"))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    monkeypatch.chdir(project)
    book = nbformat.read(path, as_version=4)
    NotebookClient(
        book, timeout=300, resources={"metadata": {"path": os.fspath(project)}}
    ).execute()
    assert any(cell.get("outputs") for cell in book.cells)


def test_there_are_five():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_defines_nothing_and_is_stripped(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            kinds = {type(node) for node in ast.walk(ast.parse(cell.source))}
            assert not kinds & {ast.FunctionDef, ast.ClassDef, ast.Lambda}
