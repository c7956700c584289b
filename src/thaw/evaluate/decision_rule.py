"""Choose, for a stated aim, how probabilities become an answer.

Choices are made on images that the classifier was not trained on, never on test.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from thaw.decision import DecisionRule
from thaw.errors import ThawError, listing
from thaw.evaluate.predictions import Predictions


def choose_rule(
    fitting: Predictions, aim: str, costs: Mapping[str, float], abstain: float | str
) -> DecisionRule:
    """The rule for `decision.aim`, `decision.costs` and `decision.abstain`, see params.yaml.

    Raises ThawError for a class that there is not, for an aim that more than two classes do not
    have, and for one that no threshold reaches on the fitting images.
    """
    rule = DecisionRule()
    if aim == "costs":
        rule = DecisionRule(costs=cost_matrix(fitting.labels, costs).tolist())
    if len(fitting.labels) == 2:
        rule = replace(rule, threshold=_choose_threshold(fitting, aim, costs))
    elif aim not in ("accuracy", "costs"):
        raise ThawError(
            "decision.aim must be accuracy or costs for more than two classes, but is "
            f"{aim}, and there are {len(fitting.labels)}"
        )
    return replace(rule, most_risk=_most_risk(rule, fitting, abstain))


def cost_matrix(labels: list[str], costs: Mapping[str, float]) -> np.ndarray:
    """Costs, float (C, C), of answering the class of the column where that of the row is true."""
    matrix = 1.0 - np.eye(len(labels))
    for pair, cost in costs.items():
        ends = [label for label in labels if pair in (f"{label}→{other}" for other in labels)]
        answers = [label for label in labels if pair == f"{ends[0]}→{label}"] if ends else []
        if not answers or ends[0] == answers[0]:
            raise ThawError(
                f"decision.costs must name two different classes of {listing(labels)}, such as "
                f"{labels[0]}→{labels[1]}, but names {pair}"
            )
        matrix[labels.index(ends[0]), labels.index(answers[0])] = cost
    return matrix


def _choose_threshold(fitting: Predictions, aim: str, costs: Mapping[str, float]) -> float:
    """The threshold of two classes with the highest value of the aim.

    The candidates are the threshold that perfect probabilities would have (Elkan 2001, eq. 2), the
    midpoints between consecutive values of 0, the probabilities of the second class and 1, and 1
    itself, at which the second is never answered. Of equally good ones the closest to the first is
    taken; for accuracy and costs, which a few errors decide, those within one standard error of the
    best count as equally good.
    """
    truth, scores = fitting.truth, fitting.probabilities[:, 1].astype(np.float64)
    order = np.argsort(scores, kind="stable")
    ends = np.unique(np.concatenate([[0.0], scores, [1.0]]))
    matrix = cost_matrix(fitting.labels, costs)
    neutral = matrix[0, 1] / (matrix[0, 1] + matrix[1, 0]) if matrix.any() else 0.5
    candidates = np.unique([*(ends[:-1] + ends[1:]) / 2, 1.0, neutral])
    below = np.searchsorted(scores[order], candidates, side="right")
    ones = np.concatenate([[0], np.cumsum(truth[order])])[below]
    firsts = np.array([below - ones, ones])  # answered with the first class, by true class
    counts = np.stack([firsts, np.bincount(truth, minlength=2)[:, None] - firsts], axis=1)
    values = _values(counts, aim, matrix, fitting)
    near = 0.0
    if aim in ("accuracy", "costs"):
        near = _standard_error(counts[..., values.argmax()], matrix)
    best = candidates[values >= values.max() - near]
    return float(best[np.argmin(np.abs(best - neutral))])


def _standard_error(counts: np.ndarray, costs: np.ndarray) -> float:
    """That of the summed cost of images, int (2, 2) by true class and answer."""
    mean = np.sum(costs * counts) / counts.sum()
    return float(np.sqrt(np.sum((costs - mean) ** 2 * counts)))


def _values(counts: np.ndarray, aim: str, costs: np.ndarray, fitting: Predictions) -> np.ndarray:
    """What the aim is worth at each candidate, the more the better.

    counts: int (2, 2, candidates), of images by true class and answer.
    """
    if aim in ("accuracy", "costs"):
        return -np.tensordot(costs, counts)
    if aim == "f1":
        right = counts[[0, 1], [0, 1]]
        return np.mean(2 * right / (counts.sum(axis=0) + counts.sum(axis=1)), axis=0)
    measure, least, label = re.fullmatch(r"(\w+)>=(\S+) of (.+)", aim).groups()  # type: ignore[union-attr]
    if label not in fitting.labels:
        raise ThawError(
            f"decision.aim must name one of {listing(fitting.labels)}, but names {label}"
        )
    k = fitting.labels.index(label)
    shares = {"recall": counts[k, k] / counts[k].sum(axis=0)}
    shares["precision"] = counts[k, k] / np.maximum(counts[:, k].sum(axis=0), 1)
    reached = shares[measure] >= float(least)
    if not reached.any() or not counts[k, k][reached].any():
        raise ThawError(
            f"decision.aim must be within reach, but on {len(fitting.truth):,} images the highest "
            f"{measure} of {label} is {shares[measure].max():.4f}, not {least}: lower it"
        )
    other = counts[k, k] if measure == "precision" else counts[1 - k, 1 - k]
    return np.where(reached, other, -1)


def _most_risk(rule: DecisionRule, fitting: Predictions, abstain: float | str) -> float | None:
    """The highest risk of an answer that is given; None if all are."""
    if abstain == 0:
        return None
    answers, risk = rule.decide(fitting.probabilities)
    risks, ends = np.unique(risk, return_counts=True)
    ends = np.cumsum(ends)  # images that are at most so risky
    if isinstance(abstain, float):
        allowed = ends >= (1 - abstain) * len(risk)
        return float(risks[np.argmax(allowed)])
    right = np.cumsum((answers == fitting.truth)[np.argsort(risk, kind="stable")])[ends - 1]
    least = float(abstain.partition(">=")[2])
    reached = np.flatnonzero(right / ends >= least)
    if not len(reached):
        raise ThawError(
            f"decision.abstain must be within reach, but on {len(risk):,} images the accuracy of "
            f"the most certain is {(right / ends).max():.4f}, not {least}: lower it"
        )
    return float(risks[reached[-1]])
