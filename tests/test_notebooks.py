"""The lessons run from top to bottom after the pipeline, define little, and hold no outputs."""

import ast
import os
import re

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from project import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@each_notebook
def test_a_lesson_runs_and_leaves_the_files(path, project, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(project / "src"))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    before = listing(project)
    book = nbformat.read(path, as_version=4)
    NotebookClient(
        book, timeout=300, resources={"metadata": {"path": os.fspath(project)}}
    ).execute()
    assert any(cell.get("outputs") for cell in book.cells)
    assert listing(project) == before


def listing(folder):
    """Files of a project with their sizes and times, without Python's own."""
    files = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()
    }


def test_there_are_seven():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(1, 8)]


@each_notebook
def test_a_lesson_has_two_exercises_with_answers_at_the_end(path):
    cells = nbformat.read(path, as_version=4).cells
    assert 10 <= len(cells) <= 20
    exercises = cells[-3].source
    assert exercises.startswith("## Exercises")
    assert re.findall(r"^\d\.", exercises, re.MULTILINE) == ["1.", "2."]
    for cell in cells[-2:]:
        is_folded = cell.metadata.get("jupyter", {}).get("source_hidden")
        assert is_folded if cell.cell_type == "code" else "<details>" in cell.source


@each_notebook
def test_a_lesson_says_what_for_and_what_to_look_at(path):
    text = "".join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown")
    for needed in ("**You will learn**", "**Why it matters.**", "**Look at**", "would go wrong"):
        assert needed in text


@each_notebook
def test_a_lesson_defines_no_function_and_is_stripped(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            source = TransformerManager().transform_cell(cell.source)
            kinds = {type(node) for node in ast.walk(ast.parse(source))}
            assert not kinds & {ast.FunctionDef, ast.ClassDef}
