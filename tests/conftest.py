"""What tests share."""

import os

import pytest
from project import copy_project, run

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A project that has run once, end to end; tests leave it as they find it."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    run("dvc repro", folder)
    run("git add -A && git commit -qm ran", folder)
    return folder
