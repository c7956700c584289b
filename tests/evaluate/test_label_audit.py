"""Planted wrong labels and planted oddities come first in their lists."""

import dataclasses

import numpy as np
import pytest

from thaw.evaluate.audit_lists import COLUMNS
from thaw.evaluate.label_audit import (
    count_wrong_labels,
    label_list,
    neighbour_distances,
    outlier_list,
    ranking,
)


def planted(found, count, seed=1):
    """The predictions with `count` labels changed, and the names of these images."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(found.truth), count, replace=False)
    truth = found.truth.copy()
    truth[chosen] += rng.integers(1, len(found.labels), count)
    truth %= len(found.labels)
    return dataclasses.replace(found, truth=truth), {found.names[index] for index in chosen}


@pytest.mark.parametrize("classes", [2, 4])
def test_planted_wrong_labels_are_found(make_predictions, classes):
    found, names = planted(make_predictions(classes, n=400, skill=9.0), 16)
    table = label_list(found)
    assert list(table.columns) == list(COLUMNS)
    assert sorted(table["name"]) == sorted(found.names)
    assert table["rank"].tolist() == list(range(1, 801))
    assert (np.diff(table["score"]) <= 0).all() and table["score"].between(0, 1).all()
    assert names <= set(table["name"].head(24))
    first = table[table["name"].isin(names)].iloc[0]
    assert first["name"].startswith(first["suggested"])  # named by their true class
    assert f"{first['label']} has a probability of" in first["reason"]
    assert 12 <= count_wrong_labels(found) <= 24


def test_equal_scores_are_in_the_order_of_the_names(make_predictions):
    found = make_predictions(2, n=20)
    table = ranking("label", found, np.zeros(40), ["alike"] * 40)
    assert table["name"].tolist() == sorted(found.names)


def clusters(rng, count=300):
    """Embeddings of two clusters of directions, and their folds."""
    centres = np.eye(2, 64, dtype=np.float32) * 8
    embeddings = np.maximum(centres[np.arange(count) % 2] + rng.normal(size=(count, 64)), 0)
    return embeddings.astype(np.float16), np.arange(count) // 2 % 5


def test_a_planted_oddity_is_found_though_its_duplicate_is_there(make_predictions):
    found = make_predictions(2, n=150)
    embeddings, fold = clusters(np.random.default_rng(0))
    odd = np.zeros(64)
    odd[40:50] = 3
    embeddings[[20, 77]], fold[[20, 77]] = odd, 3  # two identical images, in one fold
    table = outlier_list(found, embeddings, fold)
    assert set(table["name"].head(2)) == {found.names[20], found.names[77]}
    assert len(table) == 300
    assert table["score"].iloc[0] > 1.3 * table["score"].iloc[2]


def test_a_distance_is_the_mean_of_the_cosine_distances_to_the_nearest():
    embeddings, fold = clusters(np.random.default_rng(1), 60)
    found = neighbour_distances(embeddings, fold)
    for number in range(5):
        others = fold != number
        directions = embeddings.astype(np.float64) - embeddings[others].mean(axis=0, dtype=float)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        distances = 1 - directions[~others] @ directions[others].T
        expected = np.sort(distances, axis=1)[:, :10].mean(axis=1)
        np.testing.assert_allclose(found[~others], expected, atol=1e-5)


def test_folds_with_fewer_images_than_neighbours_are_enough():
    embeddings, _ = clusters(np.random.default_rng(2), 9)
    assert (neighbour_distances(embeddings, np.arange(9) % 3) > 0).all()
