"""Small repositories of Git and DVC."""

import shutil

import pytest
from small_repository import run_experiments


@pytest.fixture(scope="package")
def compared(unswept, tmp_path_factory):
    """A repository with experiments; tests leave it as they find it."""
    folder = tmp_path_factory.mktemp("compared") / "repository"
    shutil.copytree(unswept, folder, symlinks=True)
    run_experiments(folder)
    return folder


@pytest.fixture
def repository(unswept, tmp_path):
    """A repository without experiments, where each test may do as it likes."""
    return shutil.copytree(unswept, tmp_path / "repository", symlinks=True)
