"""The gate lets through what is shown to be not worse, on images that neither bundle has seen."""

import numpy as np
import pytest
import small_training
from project import ROOT, run
from small_bundle import LABELS, SIDE, write_colours

from thaw.bundle import MODEL, SEEN, write_bundle
from thaw.data.tables import read_rows
from thaw.experiments.gate import (
    INCOMPARABLE,
    MARGIN,
    MAY_BE_WORSE,
    NOT_WORSE,
    TOO_FEW,
    compare,
    judge,
)
from thaw.paths import IMAGES
from thaw.serving.predictor import Predictor

GROUPS = 270  # of test images


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "src").symlink_to(ROOT / "src")
    run(f"python {small_training.__file__} data", folder)
    return folder


@pytest.fixture
def verdict(made, tmp_path):
    """A function: the verdict on a bundle and an equal one that has seen some images, by name."""
    model = (write_colours(tmp_path / "colours") / MODEL).read_bytes()

    def bundle(name, labels, seen=()):
        manifest = {"image_size": SIDE, "precision": "float32"}
        hashes = [
            row["sha256"]
            for row in read_rows(made / IMAGES, ["name", "sha256"])
            if row["name"] in seen
        ]
        write_bundle(tmp_path / name, model, labels, manifest, hashes)
        return tmp_path / name, Predictor(tmp_path / name)

    def judged(seen=(), labels=LABELS, remove=False):
        new, served = bundle("new", labels), bundle("served", LABELS, seen)
        if remove:
            (served[0] / SEEN).unlink()
        return compare(new, served, made)

    return judged


def test_a_bundle_that_answers_alike_is_not_worse(verdict):
    found = verdict()
    assert (found.outcome, found.n, found.difference) == (NOT_WORSE, GROUPS, 0)
    assert -MARGIN < found.low == pytest.approx(-3.8415 / (GROUPS + 3.8415), abs=1e-6)


def test_images_that_one_has_seen_and_their_near_duplicates_do_not_count(verdict):
    # Of train; of test; a duplicate of 078, and the only one of its group that was seen.
    assert verdict(["red/000.png", "red/006.png", "red/087.png"]).n == GROUPS - 2


def test_a_bundle_that_confuses_classes_may_be_worse(verdict):
    found = verdict(labels=["green", "red", "blue"])
    assert found.outcome == MAY_BE_WORSE and found.difference == pytest.approx(-2 / 3)


def test_what_cannot_be_compared_is_published_by_hand_only(verdict):
    assert verdict(labels=["red", "green", "pink"]).outcome == INCOMPARABLE
    assert verdict(remove=True).outcome == INCOMPARABLE
    found = verdict([f"{label}/{n:03}.png" for label in LABELS for n in range(300)])
    assert found.outcome == TOO_FEW and 0 < found.n < 189


@pytest.mark.parametrize(
    ("n", "gained", "lost", "outcome"),
    [
        (0, 0, 0, TOO_FEW),
        (188, 0, 0, TOO_FEW),
        (188, 100, 0, TOO_FEW),  # too few is so whatever they answer
        (189, 0, 0, NOT_WORSE),
        (800, 10, 10, NOT_WORSE),
        (800, 40, 40, MAY_BE_WORSE),  # as good, but that is not shown
        (800, 0, 16, MAY_BE_WORSE),
        (4000, 100, 160, MAY_BE_WORSE),
        (4000, 100, 120, NOT_WORSE),
    ],
)
def test_the_verdict_follows_from_what_only_one_answers_right(n, gained, lost, outcome):
    new, served = np.ones((2, n), bool)
    new[:lost], served[lost : lost + gained] = False, False
    assert judge(new, served).outcome == outcome
