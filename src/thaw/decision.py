"""How probabilities become an answer: a class, or that a person is asked."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class DecisionRule:
    """The rule of a bundle; without any of its numbers, the class of the highest probability.

    threshold: of two classes; the second is answered if its probability is above. costs: float
    (C, C), of answering the class of the column where that of the row is true; without a threshold
    the answer is the cheapest. most_risk: a riskier answer is left to a person; see `decide`.
    """

    threshold: float | None = None
    costs: list[list[float]] | None = None
    most_risk: float | None = None

    @classmethod
    def of(cls, manifest: dict[str, Any]) -> "DecisionRule":
        """That of a bundle. Further keys are ignored."""
        given = manifest.get("decision", {})
        return cls(*(given.get(name) for name in ("threshold", "costs", "most_risk")))

    def decide(self, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities, float (N, C) → answers, int64 (N,), and their risk, float64 (N,).

        The risk is the expected cost of the answer, as in Chow (1970): without costs the
        probability that it is wrong, and with a threshold that weighted so that both answers are
        equally risky at the threshold.
        """
        exact = probabilities.astype(np.float64)
        if self.threshold is not None:
            answers = (exact[:, 1] > self.threshold).astype(np.int64)
            expected = exact @ self.cost_matrix(2)
            return answers, expected[np.arange(len(exact)), answers]
        if self.costs is not None:
            expected = exact @ np.array(self.costs)
            return expected.argmin(axis=1), expected.min(axis=1)
        return exact.argmax(axis=1), 1 - exact.max(axis=1)

    def cost_matrix(self, classes: int) -> np.ndarray:
        """The rule as costs alone, float64 (C, C): the answer is the class of the lowest expected.

        That is the answer of `decide`, and its expected cost is the risk, but for the last digits.
        """
        if self.threshold is not None:
            return np.array([[0, 2 * self.threshold], [2 - 2 * self.threshold, 0]])
        return 1 - np.eye(classes) if self.costs is None else np.array(self.costs)

    def abstains(self, risk: np.ndarray) -> np.ndarray:
        """Whether answers of this risk are left to a person, bool (N,)."""
        return risk > (np.inf if self.most_risk is None else self.most_risk)
