"""Training on cached activations: the best epoch stays, a killed run ends as if it had not been."""

import itertools
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import yaml
from bases import MOBILENET, seeded_split
from project import ROOT

from thaw.errors import ThawError
from thaw.features import progress
from thaw.features.extract import Engine
from thaw.features.head import DenseHead
from thaw.features.progress import Progress
from thaw.features.stored import Features
from thaw.files import write_json
from thaw.model.classifier_onnx import classifier_onnx
from thaw.model.freeze import freeze, trainable_parameters
from thaw.model.head_phase import HeadPhase, Trained
from thaw.model.keras_head import build_head
from thaw.model.network import as_graph, split_backbone
from thaw.model.saved import build_trained
from thaw.model.train import Adam, FineTuning
from thaw.model.weights import read_weights, write_weights
from thaw.params import Params, Train
from thaw.runtime import Network

SEED = 4
SETTINGS = Train(
    freeze_till=145,
    pooling="average",
    head_solver="adam",
    hidden_units=[8],
    dropout=0.3,
    head_epochs=2,
    fine_tune_epochs=2,
    head_learning_rate=0.01,
    fine_tune_learning_rate=0.001,
    weight_decay=0.0,
    batch_size=16,
    patience=9,
)


def changed(**changes):
    return SETTINGS.model_copy(update=changes)


def network():
    return seeded_split(MOBILENET, SETTINGS.freeze_till, SETTINGS.pooling, seed=SEED)


@pytest.fixture
def features(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = network()
    rng = np.random.default_rng(2)
    label = np.tile(["Cat", "Dog"], 32)
    activations = rng.normal(size=(64, *parts.tail.input_shape[1:])).astype(np.float16)
    activations[label == "Dog"] += 1
    rows = pd.DataFrame({"label": label, "split": ["train"] * 48 + ["val"] * 16, "view": 0})
    rows["fold"] = np.arange(64) // 2 % 4
    embeddings = np.asarray(parts.tail(activations.astype(np.float32)))
    return Features(embeddings, activations, rows, {"weights": parts.info.weights})


def head_phase(features, settings=SETTINGS, folder="work"):
    Path("base.onnx").write_bytes(b"base")
    paths = Path(folder), Path("base.onnx")
    return HeadPhase(features, ["Cat", "Dog"], settings, SEED, *paths)


def trained(features, settings=SETTINGS, folder="work"):
    phase = head_phase(features, settings, folder)
    return FineTuning(phase, MOBILENET).run(split_rows(features.rows))


def split_rows(rows):
    return tuple(np.flatnonzero(rows["split"] == split) for split in ("train", "val"))


def weights(found):
    return [*found.base_weights.values(), *found.head.weights]


def log_loss(probabilities, labels):
    return -np.log(probabilities[np.arange(len(labels)), labels]).mean()


def test_the_single_operation_of_adam_gives_what_keras_gives():
    rng = np.random.default_rng(3)
    images, labels = rng.normal(size=(64, 5)), rng.integers(0, 2, 64)
    weights = []
    for optimizer in (keras.optimizers.Adam, Adam):
        keras.utils.set_random_seed(4)
        head = build_head(5, [7], 0.0, 2)
        head.compile(optimizer(0.01, weight_decay=0.1), "sparse_categorical_crossentropy")
        head.fit(images, labels, batch_size=16, epochs=5, shuffle=False, verbose=0)
        weights.append(head.get_weights())
    for expected, found in zip(*weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


LABELS = np.tile([0, 1], 32)


def test_what_is_left_is_the_epoch_with_the_lowest_validation_loss(features):
    found = trained(features)
    history = found.progress.history
    losses = [entry["val_loss"] for entry in history]
    assert found.progress.best_epoch == 1 + int(np.argmin(losses))
    assert [entry["phase"] for entry in history] == ["head"] * 2 + ["fine-tuning"] * 2
    loss = log_loss(found.predict(np.arange(48, 64)), LABELS[48:])
    assert loss == pytest.approx(min(losses), rel=1e-4)


def test_predictions_are_of_the_rows_of_the_activations(features):
    found = trained(features)
    rows = np.array([3, 50, 51])
    parts = network()
    for weight in parts.base.weights:
        weight.assign(found.base_weights[weight.path])
    embeddings = np.asarray(parts.tail(features.activations[rows].astype(np.float32)))
    expected = found.head.probabilities(embeddings)
    np.testing.assert_allclose(found.predict(rows), expected, rtol=1e-4)


SOLVED = {"head_solver": "lbfgs", "hidden_units": []}


def test_a_solved_head_counts_as_one_epoch_of_the_head_phase(features):
    found = head_phase(features, changed(**SOLVED)).run(split_rows(features.rows))
    [epoch] = found.progress.history
    assert (epoch["phase"], epoch["epoch"], found.progress.best_epoch) == ("head", 1, 1)
    for prefix, rows in (("", np.arange(48)), ("val_", np.arange(48, 64))):
        probabilities, labels = found.predict(rows), LABELS[rows]
        assert epoch[f"{prefix}loss"] == pytest.approx(log_loss(probabilities, labels), rel=1e-4)
        assert epoch[f"{prefix}accuracy"] == (probabilities.argmax(axis=1) == labels).mean()


def test_a_solved_head_has_seen_no_image_of_val(features):
    rows = split_rows(features.rows)
    one = head_phase(features, changed(**SOLVED)).run(rows)
    features.rows.loc[48:, "label"] = ["Dog", "Cat"] * 8
    other = head_phase(features, changed(**SOLVED), folder="other").run(rows)
    for weight, same in zip(one.head.weights, other.head.weights, strict=True):
        np.testing.assert_array_equal(weight, same)


@pytest.mark.parametrize("changes", [{}, SOLVED])
def test_fine_tuning_starts_from_the_head_that_the_embeddings_give(features, changes):
    settings = changed(**changes, fine_tune_learning_rate=1e-9)
    history = trained(features, settings).progress.history
    head = min(epoch["val_loss"] for epoch in history if epoch["phase"] == "head")
    tuned = [epoch["val_loss"] for epoch in history if epoch["phase"] == "fine-tuning"]
    assert tuned == pytest.approx([head] * 2, rel=1e-2)


@pytest.mark.parametrize("changes", [{}, SOLVED])
@pytest.mark.parametrize("trainer", ["head", "fine-tuning"])
def test_two_runs_give_the_same_digits(features, changes, trainer):
    settings = changed(**changes)
    assert same(*(run(trainer, features, settings, folder) for folder in ("work", "other")))


def run(trainer, features, settings, folder):
    if trainer == "fine-tuning":
        return trained(features, settings, folder)
    return head_phase(features, settings, folder).run(split_rows(features.rows))


def same(one, other):
    """Whether two trainings have the same history and weights, to the last digit."""
    pairs = zip(weights(one), weights(other), strict=True)
    return one.progress == other.progress and all(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize(
    ("trainer", "changes", "writes"),
    [
        *[("head", {}, writes) for writes in range(6)],  # best, latest and progress of an epoch
        *[("head", SOLVED, writes) for writes in range(3)],
        *[("fine-tuning", {}, writes) for writes in (7, 9, 12)],
        ("fine-tuning", SOLVED, 4),
    ],
)
def test_a_run_killed_between_two_writes_continues_and_ends_the_same(
    features, monkeypatch, trainer, changes, writes
):
    settings = changed(**changes)
    expected = run(trainer, features, settings, "work")
    write, number = progress.atomic_write, itertools.count()

    def write_or_die(path):
        if next(number) == writes:
            raise KeyboardInterrupt
        return write(path)

    with monkeypatch.context() as patch:
        patch.setattr(progress, "atomic_write", write_or_die)
        with pytest.raises(KeyboardInterrupt):
            run(trainer, features, settings, "killed")
    assert same(run(trainer, features, settings, "killed"), expected)


@pytest.mark.parametrize("trainer", ["head", "fine-tuning"])
def test_a_checkpoint_that_is_removed_in_part_counts_as_none(features, trainer):
    expected = run(trainer, features, SETTINGS, "work")
    for path in Path("work").glob("*.npz"):
        path.unlink()
    assert same(run(trainer, features, SETTINGS, "work"), expected)


def test_a_damaged_checkpoint_is_named(features):
    short = changed(head_epochs=1)
    run("head", features, short, "work")
    for name in ("best-1.npz", "progress.json"):
        whole = Path("work", name).read_bytes()
        for content in (b"", whole[:-30]):
            Path("work", name).write_bytes(content)
            with pytest.raises(
                ThawError, match=r"work must be as .* delete it and run `dvc repro`"
            ):
                run("head", features, short, "work")
        Path("work", name).write_bytes(whole)


def test_features_that_do_not_fit_are_refused(features):
    with pytest.raises(ThawError, match="must have activations for the fine-tuning phase"):
        trained(replace(features, activations=None))
    with pytest.raises(ThawError, match="must match the network that uses it, but has weights"):
        trained(replace(features, fingerprint={"weights": "other"}))
    features.rows.loc[3, "label"] = "Cow"
    with pytest.raises(ThawError, match="of the classes Cat, Dog, but some are of Cow"):
        trained(features)


def test_patience_ends_each_phase(features):
    features.rows.loc[48:, "label"] = ["Dog", "Cat"] * 8  # learning makes validation worse
    settings = changed(head_epochs=40, fine_tune_epochs=40, patience=2)
    found = trained(features, settings).progress
    phases = [entry["phase"] for entry in found.history]
    assert phases.count("head") == found.best_epoch + 2 < 40
    assert phases.count("fine-tuning") == 2


@pytest.mark.parametrize("phase", ["head", "fine_tune"])
def test_a_loss_that_is_not_finite_stops_with_its_epoch_and_step(features, phase):
    epoch = {"head": 1, "fine_tune": 3}[phase]
    with pytest.raises(ThawError, match=rf"must be finite.* epoch {epoch}, step \d"):
        trained(features, changed(**{f"{phase}_learning_rate": 1e38}))


def test_only_what_is_not_frozen_changes(features):
    base = network().base
    found = trained(features)
    frozen = sum(len(layer.weights) for layer in base.layers[:145])
    changed = [not np.array_equal(w.numpy(), found.base_weights[w.path]) for w in base.weights]
    assert not any(changed[:frozen])
    assert any(changed[frozen:])


def test_with_the_entire_base_frozen_only_the_head_learns(features):
    found = head_phase(replace(features, activations=None)).run(split_rows(features.rows))
    assert [entry["phase"] for entry in found.progress.history] == ["head"] * SETTINGS.head_epochs
    assert found.base_onnx() == b"base" and not found.base_weights
    assert found.trainable_parameters == sum(weight.size for weight in found.head.weights)


def test_a_tail_without_weights_is_not_trained(features):
    settings = changed(freeze_till=153)  # the last layer is a ReLU
    found = trained(features, settings)
    assert [entry["phase"] for entry in found.progress.history] == ["head"] * 2
    assert found.trainable_parameters == found.head.parameters


def test_training_on_cached_activations_is_training_the_whole_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(3).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    rows = pd.DataFrame({"label": ["Cat", "Dog"] * 32, "split": ["train"] * 48 + ["val"] * 16})
    rows["view"], rows["fold"] = 0, 0
    images[1::2, :16] //= 2  # something to learn
    cached = network()
    graph = as_graph(cached.base, "MobileNetV2")
    embeddings, activations = (
        np.stack(list(Engine(model, "float32", "float32").run(images)))
        for model in (graph.embedder(SETTINGS.pooling), graph.prefix(cached.cut))
    )

    def from_images(settings, freeze_till, pooling):
        parts = split_backbone(settings, 0, pooling)
        freeze(parts.base, freeze_till)
        return parts

    fingerprint = {"weights": cached.info.weights}
    found = [trained(Features(embeddings, activations, rows, fingerprint), folder="cached")]
    monkeypatch.setattr("thaw.model.train.split_backbone", from_images)
    found.append(trained(Features(embeddings, images, rows, fingerprint), folder="whole"))
    losses = [
        [(entry["loss"], entry["val_loss"]) for entry in one.progress.history] for one in found
    ]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert losses[0][0] != losses[0][-1]
    for left, right in zip(*map(weights, found), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)


@pytest.fixture
def written(features):
    """What the stage leaves of a training, and the training."""
    found = trained(features)
    write_weights(Path("weights"), found)
    fingerprint = features.fingerprint | {"pooling": "average"}
    write_json("best.json", {"features": fingerprint, "freeze_till": SETTINGS.freeze_till})
    return found


def params(**changes):
    values = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"seed": SEED}
    values["base"] = MOBILENET.model_dump()
    values["train"] = SETTINGS.model_dump() | changes
    return Params(**values)


def test_the_keras_model_is_what_was_trained(written, features):
    model = build_trained(params(), Path("best.json"), Path("weights"))
    assert trainable_parameters(model) == written.trainable_parameters
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    Path("classifier.onnx").write_bytes(
        classifier_onnx(written.base_onnx(), written.head, "average")
    )
    network = Network(Path("classifier.onnx"), "float32")
    expected = np.concatenate([network.infer(image)["probabilities"] for image in images])
    np.testing.assert_allclose(model(images), expected, atol=1e-5)
    write_json("best.json", {"features": {"weights": "other"}, "freeze_till": 1})
    with pytest.raises(ThawError, match=r"best\.json must match"):
        build_trained(params(), Path("best.json"), Path("weights"))


def test_weights_of_any_shape_are_read_as_they_were(tmp_path):
    of_base = {"count": np.array(3), "kernel": np.arange(6, dtype=np.float32).reshape(2, 3).T}
    head = DenseHead.initial([3, 2], seed=1)
    write_weights(tmp_path / "some", Trained(head, Progress(), 8, np.array, bytes, of_base))
    found, of_base_found = read_weights(tmp_path / "some")
    for one, other in zip(head.weights, found.weights, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    for name, array in of_base.items():
        np.testing.assert_array_equal(of_base_found[name], array, strict=True)
