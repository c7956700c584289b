"""Measure what the setup `photographs` answers: accuracy, calibration, decisions, unknown images.

    python benchmarks/answers.py ARCHIVE WEIGHTS BREEDS OTHERS [--seeds 0,1,2,3,4] [key=value ...]

ARCHIVE: a zip of photographs of cats and dogs; WEIGHTS: an ImageNet file of MobileNetV2 1.0 with
no top; BREEDS: a zip of cats and dogs from elsewhere, with labels.csv (file, label, breed); OTHERS:
a zip of class folders of other things. Further settings go on top of the setup. For each seed of
the split the pipeline runs in a clone, and its bundle answers BREEDS and OTHERS, of which no choice
knows. Each of the two is halved, by breed and by class: the first half is that on which the kind of
unknown score was chosen (benchmarks/unknown_scores.py), the second is the one to report. Prints
Markdown tables over the test images of all splits together:

- accuracy, with its Wilson interval, each split apart, and of BREEDS. A photograph of BREEDS is
  answered by each bundle; the interval counts it once;
- ECE, Brier score and NLL before and after calibration, and the ECE after scores were multiplied by
  3 on purpose and calibrated on out-of-fold predictions spoilt alike;
- each aim of a decision, chosen on out-of-fold predictions of a split, on its test images;
- images refused as unknown at the bundles' limit, and the area under the ROC curve.
"""

import argparse
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd
from clone import clone, timed
from sklearn.metrics import precision_score, recall_score
from unknown_scores import read_breeds, read_other

from thaw.errors import ThawError
from thaw.evaluate.calibration import (
    calibration_metrics,
    expected_calibration_error,
)
from thaw.evaluate.decision_rule import choose_rule
from thaw.evaluate.metrics import accuracy
from thaw.evaluate.predictions import Predictions, read_out_of_fold, read_predictions
from thaw.evaluate.unknown_metrics import separation
from thaw.experiments.statistics import wilson_interval
from thaw.parallel import cores
from thaw.serving.predictor import Predictor
from thaw.temperature import fit_temperature, with_temperature

SPOIL = 3.0
BINS = 10
COSTS = {"Cat→Dog": 1.0, "Dog→Cat": 5.0}
AIMS = ("accuracy", "f1", "precision>=0.995 of Cat", "recall>=0.995 of Cat", "costs")
HALVES = ("chosen on", "reported")


@dataclass(frozen=True)
class Elsewhere:
    """Answers to images from elsewhere: predicted class, unknown score, and a half of each."""

    truth: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray
    half: np.ndarray  # indices into HALVES


@dataclass(frozen=True)
class Split:
    """The results of one seed of the split. fitting: uncalibrated out-of-fold predictions."""

    fitting: Predictions
    test: Predictions
    temperature: float
    limit: float
    breeds: Elsewhere
    others: Elsewhere


def breeds(path: Path) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    """Label and half of each photograph of BREEDS, and its file."""
    with zipfile.ZipFile(path) as archive:
        table = pd.read_csv(io.BytesIO(archive.read("labels.csv")))
    files, is_first = read_breeds(path)
    return table["label"].to_numpy(), (~is_first).astype(int), files


def others(path: Path) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    """Nothing for a label, the half of each photograph of OTHERS, and its file."""
    files, is_first = read_other(path)
    return np.full(len(files), ""), (~is_first).astype(int), files


def answer(
    predictor: Predictor, photographs: tuple[np.ndarray, np.ndarray, list[bytes]]
) -> Elsewhere:
    """The bundle's answers."""
    truth, half, encoded = photographs
    found = list(predictor.predict_each(encoded))
    answers = [each for each in found if not isinstance(each, ThawError)]
    assert len(answers) == len(found)
    labels = np.array(predictor.labels)
    predicted = labels[[each.probabilities.argmax() for each in answers]]
    scores = np.array([each.unknown_score for each in answers])
    return Elsewhere(truth, predicted, scores, half)


def run(folder: Path, seed: int, options: argparse.Namespace) -> Split:
    """Run the pipeline with a seed of the split, and ask its bundle."""
    timed(f"thaw use split.seed={seed}", folder)
    seconds = timed("dvc repro", folder)
    predictor = Predictor(folder / "models/bundle", cores())
    test = read_predictions(folder / "outputs/predictions.csv").subset("test")
    found = json.loads((folder / "metrics/eval.json").read_text())["accuracy"]
    print(f"split {seed}: {found:.4f} on {len(test.truth)} images, {seconds:.0f} s", flush=True)
    fitting = read_out_of_fold(folder / "outputs/out_of_fold.csv", test.labels)
    return Split(
        fitting,
        test,
        predictor.manifest["temperature"],
        predictor.unknown_limit,
        answer(predictor, breeds(options.breeds)),
        answer(predictor, others(options.others)),
    )


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    print("\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines), flush=True)


def shown(measure: dict[str, float]) -> str:
    """A value with its interval."""
    return f"{measure['value']:.4f} ({measure['low']:.4f}–{measure['high']:.4f})"


def interval_of(right: float, images: int) -> str:
    """An accuracy with its Wilson interval."""
    low, high = wilson_interval(right, images)
    return shown({"value": right, "low": low, "high": high})


def pooled(splits: Sequence[Split]) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities and truth of all test images."""
    return (
        np.concatenate([split.test.probabilities for split in splits]),
        np.concatenate([split.test.truth for split in splits]),
    )


def print_accuracy(splits: Sequence[Split]) -> None:
    """Print the accuracy of the test images together, of each split, and of BREEDS."""
    probabilities, truth = pooled(splits)
    found = dict(accuracy(truth, probabilities))
    values = (found["accuracy"], found["accuracy_low"], found["accuracy_high"])
    rows = [["test", str(len(truth)), shown(dict(zip(("value", "low", "high"), values)))]]
    for index, half in enumerate(HALVES):
        right = np.mean(
            [(s.breeds.predicted == s.breeds.truth)[s.breeds.half == index] for s in splits]
        )
        count = int(np.sum(splits[0].breeds.half == index))
        rows.append([f"elsewhere, {half}", str(count), interval_of(float(right), count)])
    table(["images", "n", "accuracy"], rows)
    for index, split in enumerate(splits):
        right = np.mean(split.test.predicted == split.test.truth)
        of_breeds = fmean(split.breeds.predicted == split.breeds.truth)
        print(f"\nsplit {index}: test {right:.4f}, elsewhere {of_breeds:.4f}", end="")
    print()


def print_calibration(splits: Sequence[Split]) -> None:
    """Print the measures of calibration: before, after, and spoilt and calibrated again."""
    after, truth = pooled(splits)
    before = [with_temperature(s.test.probabilities, 1 / s.temperature) for s in splits]
    spoilt = []
    for split, raw in zip(splits, before, strict=True):
        of_folds = with_temperature(split.fitting.probabilities, 1 / SPOIL)
        temperature = fit_temperature(of_folds, split.fitting.truth)
        spoilt.append(with_temperature(with_temperature(raw, 1 / SPOIL), temperature))
    kinds = {
        "before": np.concatenate(before),
        "after": after,
        f"scores × {SPOIL:g}, not calibrated": with_temperature(np.concatenate(before), 1 / SPOIL),
        f"scores × {SPOIL:g}, calibrated": np.concatenate(spoilt),
    }
    rows = []
    for kind, probabilities in kinds.items():
        measures = dict(calibration_metrics(probabilities, truth, BINS))
        rows.append([kind, *map(shown, measures.values())])
    table(["probabilities", "ECE", "ECE, adaptive", "Brier", "NLL"], rows)
    temperatures = ", ".join(f"{split.temperature:.3f}" for split in splits)
    each = [expected_calibration_error(s.test.probabilities, s.test.truth, BINS) for s in splits]
    print(f"\ntemperatures {temperatures}; ECE of each split {', '.join(f'{e:.4f}' for e in each)}")


def print_decisions(splits: Sequence[Split]) -> None:
    """Print what each aim does on the test images, beside the plain maximum."""
    truth = np.concatenate([split.test.truth for split in splits])
    plain = np.concatenate([split.test.predicted for split in splits])
    rows = []
    for aim in AIMS:
        costs = COSTS if aim == "costs" else {}
        answers, thresholds = [], []
        for split in splits:
            fitted = with_temperature(split.fitting.probabilities, split.temperature)
            rule = choose_rule(replace(split.fitting, probabilities=fitted), aim, costs, 0.0)
            answers.append(rule.decide(split.test.probabilities)[0])
            thresholds.append(rule.threshold or 0.0)
        decided = np.concatenate(answers)
        spread = f"{min(thresholds):.3f}–{max(thresholds):.3f}"
        rows.append([aim, spread, measured(aim, truth, decided), measured(aim, truth, plain)])
    table(["aim", "thresholds", "at the decision", "at the maximum"], rows)
    rows = []
    for abstain in (0.01, 0.05, 0.1, "accuracy>=0.997"):
        given, right = [], []
        for split in splits:
            fitted = with_temperature(split.fitting.probabilities, split.temperature)
            fitting = replace(split.fitting, probabilities=fitted)
            rule = choose_rule(fitting, "accuracy", {}, abstain)
            found, risk = rule.decide(split.test.probabilities)
            given.append(~rule.abstains(risk))
            right.append(found == split.test.truth)
        is_given, is_right = np.concatenate(given), np.concatenate(right)
        share = interval_of(float(is_right[is_given].mean()), int(is_given.sum()))
        rows.append([str(abstain), f"{is_given.mean():.4f}", share])
    table(["abstain", "coverage", "accuracy of the rest"], rows)


def measured(aim: str, truth: np.ndarray, answers: np.ndarray) -> str:
    """The aim's measure of the answers, with its interval; Cat is class 0."""
    if aim.startswith("precision"):
        return interval_of(precision_score(truth, answers, pos_label=0), int(np.sum(answers == 0)))
    if aim.startswith("recall"):
        return interval_of(recall_score(truth, answers, pos_label=0), int(np.sum(truth == 0)))
    if aim == "costs":
        costs = (answers != truth) * np.where(truth == 1, 5, 1)
        half = 1.96 * costs.std() / np.sqrt(len(costs))
        mean = {"value": costs.mean(), "low": costs.mean() - half, "high": costs.mean() + half}
        return f"{shown(mean)} an image"
    return interval_of(float(np.mean(answers == truth)), len(truth))


def print_unknown(splits: Sequence[Split]) -> None:
    """Print what is refused at the bundles' limits, and how well the score separates."""
    known = [np.asarray(split.test.unknown_scores) for split in splits]
    share = np.mean([np.mean(s > split.limit) for s, split in zip(known, splits, strict=True)])
    count = sum(len(split.test.truth) for split in splits)
    rows = [["test", str(count), interval_of(float(share), count), ""]]
    for kind in ("breeds", "others"):
        for index, half in enumerate(HALVES):
            shares, areas = [], []
            for split, scores in zip(splits, known, strict=True):
                group: Elsewhere = getattr(split, kind)
                found = group.scores[group.half == index]
                shares.append(share(found > split.limit)["value"])
                areas.append(separation(scores, found)["value"])
            area = f"{fmean(areas):.4f}" if kind == "others" else ""
            where = "cats and dogs from elsewhere" if kind == "breeds" else "other things"
            count = len(found)
            rows.append([f"{where}, {half}", str(count), interval_of(fmean(shares), count), area])
    table(["images", "n", "refused", "area under the ROC curve"], rows)


def main() -> None:
    """Run all splits and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("archive", "weights", "breeds", "others"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("settings", nargs="*", metavar="key=value")
    options = parser.parse_args()
    folder = clone()
    files = f"data.source={options.archive.resolve()} base.weights={options.weights.resolve()}"
    timed(f"thaw use photographs {files} {' '.join(options.settings)}", folder)
    splits = [run(folder, int(seed), options) for seed in options.seeds.split(",")]
    print_accuracy(splits)
    print_calibration(splits)
    print_decisions(splits)
    print_unknown(splits)


if __name__ == "__main__":
    main()
