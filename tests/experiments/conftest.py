"""Small repositories of Git and DVC: one to compare experiments of, one to sweep in."""

import shutil

import compared_repository
import pytest
import swept_repository


@pytest.fixture(scope="package")
def compared(tmp_path_factory):
    """A repository with experiments; tests leave it as they find it."""
    folder = tmp_path_factory.mktemp("compared")
    compared_repository.make_repository(folder)
    return folder


@pytest.fixture(scope="package")
def unswept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "repository"
    folder.mkdir()
    swept_repository.make_repository(folder)
    return folder


@pytest.fixture
def repository(unswept, tmp_path):
    """A copy of a repository whose stages take no time, where each test may do as it likes."""
    return shutil.copytree(unswept, tmp_path / "repository", symlinks=True)
