"""The gate: is a new bundle, on images that neither has seen, not worse than the served one?"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thaw.bundle import IMAGE_ID_DIGITS, SEEN
from thaw.data.tables import read_rows, read_split
from thaw.evaluate.predictions import Predictor, predict
from thaw.experiments.statistics import tango_lower
from thaw.paths import IMAGES, SPLIT

MARGIN = 0.02  # of accuracy: a new bundle that may be worse by more is not published
NOT_WORSE, MAY_BE_WORSE, SAME = "not worse", "may be worse", "the same"
TOO_FEW, INCOMPARABLE = "too few images", "not comparable"


@dataclass(frozen=True)
class Verdict:
    """What the gate says. outcome: NOT_WORSE lets the bundle be published, the others do not.

    MAY_BE_WORSE: the images do not show the former. SAME: it is the served one. TOO_FEW: so few
    images could not show it of any bundle. INCOMPARABLE: nothing is served, or other classes. n:
    images, one of each group of duplicates. difference: accuracy of the new bundle minus that of
    the served one; low: the lower end of its interval, which must be above -margin.
    """

    outcome: str
    reason: str
    n: int = 0
    difference: float | None = None
    low: float | None = None
    margin: float = MARGIN

    def as_json(self) -> dict[str, Any]:
        """The verdict as a JSON object."""
        return asdict(self)


def compare(new: tuple[Path, Predictor], served: tuple[Path, Predictor], project: Path) -> Verdict:
    """Compare two bundles, each given by its folder and its predictor, on a project's test split.

    Only images count that neither was trained or tuned on, nor any of their near duplicates.
    Non-inferiority: the lower end of the 95 % score interval of the paired difference of accuracy
    (Tango 1998, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B)
    must be above -MARGIN. Accuracy is that of the most probable class, as in metrics/eval.json.
    """
    both = (new, served)
    if len({tuple(sorted(predictor.labels)) for _, predictor in both}) > 1:
        return Verdict(INCOMPARABLE, "the served bundle has other classes")
    seen = set[str]()
    for folder, _ in both:
        if not (folder / SEEN).is_file():  # of format 0
            return Verdict(INCOMPARABLE, f"a bundle has no {SEEN}, which tells what it has seen")
        seen |= set((folder / SEEN).read_text(encoding="utf-8").split())
    names = _unseen(project, seen)
    return judge(*(_right(predictor, project, names) for _, predictor in both))


def judge(new: np.ndarray, served: np.ndarray) -> Verdict:
    """The verdict from which answers are right, bool (N,) each."""
    n = len(new)
    if tango_lower(0, 0, n) <= -MARGIN:
        return Verdict(
            TOO_FEW,
            f"{n} images that neither bundle has seen are too few to tell a difference of "
            f"{MARGIN:.0%}, even if both always agree",
            n,
        )
    gained, lost = int((new & ~served).sum()), int((served & ~new).sum())
    difference, low = (gained - lost) / n, tango_lower(gained, lost, n)
    is_shown = low > -MARGIN
    reason = (
        f"accuracy {difference:+.2%} on {n} images that neither has seen, with 95 % confidence "
        f"{low:+.2%} or more; {'above' if is_shown else 'must be above'} {-MARGIN:+.2%}"
    )
    return Verdict(NOT_WORSE if is_shown else MAY_BE_WORSE, reason, n, difference, low)


def _unseen(project: Path, seen: set[str]) -> set[str]:
    """Names of test images, one of each group of near duplicates, none of which was seen."""
    images = project / IMAGES
    split = read_split(project / SPLIT, images).set_index("name")
    rows = list(read_rows(images, ["name", "sha256"]))
    group = split["group"].to_dict()
    tainted = {group[row["name"]] for row in rows if row["sha256"][:IMAGE_ID_DIGITS] in seen}
    test = split[(split["split"] == "test") & ~split["group"].isin(tainted)]
    return set(test.reset_index().groupby("group")["name"].first())


def _right(predictor: Predictor, project: Path, names: Iterable[str]) -> np.ndarray:
    """Whether each of the images is answered right, bool (N,), in the order of the table."""
    parts = dict.fromkeys(names, "test")
    if not parts:
        return np.zeros(0, bool)
    rows = read_rows(project / IMAGES, ["name", "label", "bytes"], parts.keys())
    found = predict(predictor, rows, parts)
    return found.predicted == found.truth
