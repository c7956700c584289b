"""Out-of-fold predictions: of every image of train and val, by a head that has not seen it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from thaw.evaluate.metrics import accuracy, loss
from thaw.experiments.cross_validation import (
    cross_validate,
    cross_validate_training,
    solved,
    summary,
    trained,
)
from thaw.experiments.out_of_fold import write_out_of_fold
from thaw.features.adam_head import AdamSettings
from thaw.features.embedded import Embedded

ADAM = AdamSettings([], 0.3, 6, 0.1, 0.0, batch_size=8, patience=5, seed=5)
FITS = {"lbfgs": solved, "adam": trained(ADAM, 2)}
CLASSES = ["Cat", "Dog"]


@pytest.fixture
def data():
    """60 images in 4 folds, 40 of them with a view, in mixed order of folds."""
    rng = np.random.default_rng(3)
    labels, fold = np.arange(60) % 2, rng.integers(0, 4, 60)
    embeddings = rng.normal(size=(60, 6)).astype(np.float32)
    embeddings[:, 0] += 3 * labels
    return Embedded(
        np.concatenate([embeddings, embeddings[:40]]),
        np.concatenate([labels, labels[:40]]),
        np.concatenate([fold, fold[:40]]),
        np.repeat([0, 1], [60, 40]),
    )


@pytest.mark.parametrize("solver", FITS)
def test_the_label_of_an_image_does_not_reach_its_own_prediction(data, solver):
    fit = FITS[solver]
    found = cross_validate(data, 2, fit)
    labels, fold = data.labels[:60], data.fold[:60]
    assert (found.argmax(axis=1) == labels).mean() > 0.8
    for left_out in range(4):
        flipped = np.where(data.fold == left_out, 1 - data.labels, data.labels)
        other = cross_validate(replace(data, labels=flipped), 2, fit)
        np.testing.assert_array_equal(other[fold == left_out], found[fold == left_out])
        assert not np.array_equal(other[fold != left_out], found[fold != left_out])


def test_a_training_sees_neither_its_fold_nor_the_views_of_images_that_choose_its_epoch(data):
    rows = pd.DataFrame({"fold": data.fold, "view": data.view})
    seen = {}

    def train(fold, chosen):
        seen[fold] = chosen
        return lambda images: np.full((len(images), 2), images[:, None], np.float32)

    found = cross_validate_training(rows, 2, train)
    assert sorted(seen) == [0, 1, 2, 3]
    for left_out, (chosen, val) in seen.items():
        following = (left_out + 1) % 4
        assert set(data.fold[chosen]) == {0, 1, 2, 3} - {left_out, following}
        assert set(chosen) == set(np.flatnonzero(~np.isin(data.fold, [left_out, following])))
        assert set(val) == set(np.flatnonzero((data.fold == following) & (data.view == 0)))
    np.testing.assert_array_equal(found[:, 0], np.arange(60))  # each image, in order


@pytest.mark.parametrize("solver", FITS)
def test_a_view_does_not_reach_the_prediction_of_its_image(data, solver):
    fit = FITS[solver]
    found = cross_validate(data, 2, fit)
    embeddings = data.embeddings.copy()
    views = (data.view == 1) & (data.fold == 2)
    embeddings[views] += 10
    other = cross_validate(replace(data, embeddings=embeddings), 2, fit)
    here = data.fold[:60] == 2
    np.testing.assert_array_equal(other[here], found[here])


def test_adam_depends_on_the_seed_and_on_nothing_else(data):
    one, again, other = (
        cross_validate(data, 2, trained(replace(ADAM, seed=seed), 2)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_the_summary_is_mean_and_deviation_over_the_folds(data):
    truth, fold = data.labels[:60], data.fold[:60]
    found = cross_validate(data, 2, solved)
    result = summary(truth, fold, found, CLASSES)
    assert (result["n"], result["folds"]) == (60, 4)
    for metric, name in ((accuracy, "accuracy"), (loss, "loss")):
        values = [dict(metric(truth[fold == k], found[fold == k]))[name] for k in range(4)]
        assert result[name]["mean"] == pytest.approx(np.mean(values))
        assert result[name]["std"] == pytest.approx(np.std(values, ddof=1))
    assert {"roc_auc", "f1"} <= set(result)


def test_a_metric_that_a_fold_does_not_define_is_left_out(data):
    found = cross_validate(data, 2, solved)
    alike = np.where(data.fold[:60] == 1, 0, data.labels[:60])
    assert set(summary(alike, data.fold[:60], found, CLASSES)) == {
        *("n", "folds", "accuracy", "loss")
    }


@pytest.mark.parametrize("count", [3, 0])
def test_the_table_has_a_row_per_image(tmp_path, count):
    images = pd.DataFrame(
        {"name": ["a", "b", "c"], "label": ["Cat", "Dog", "Dog"], "fold": [2, 0, 1]},
        index=[4, 5, 9],
    )
    probabilities = np.float32([[0.75, 0.25], [0.5, 0.5], [0.1, 0.9]])
    path = tmp_path / "out_of_fold.csv"
    write_out_of_fold(path, images[:count], probabilities[:count], CLASSES)
    assert path.read_text().splitlines() == [
        "name,label,fold,predicted,p_Cat,p_Dog",
        *["a,Cat,2,Cat,0.75,0.25", "b,Dog,0,Cat,0.5,0.5", "c,Dog,1,Dog,0.1,0.9"][:count],
    ]
