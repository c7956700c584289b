"""The results of a sweep while it runs."""

from pathlib import Path

from thaw.experiments.compare import Ranking, rank
from thaw.experiments.experiment import Experiment, read_revisions
from thaw.experiments.git import list_experiments, reference
from thaw.experiments.sweep import Plan


class Board:
    """The points of a plan whose experiments exist, each read once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._found: dict[str, Experiment] = {}
        self.done: set[str] = set()  # names of those that existed at the last look
        self.left_out: list[str] = []  # a line for each of them whose results are not here

    def ranking(self) -> Ranking | None:
        """Rank those that are done by now, equals in the order of the plan; None without any."""
        points, baseline = self._plan.points, self._plan.snapshot[0]
        names = list_experiments(Path.cwd(), baseline) - self.done
        new = {one.name: reference(baseline, one.name) for one in points if one.name in names}
        found, left_out = read_revisions(new)
        self.done |= new.keys()
        self._found |= {experiment.name: experiment for experiment in found}
        self.left_out += left_out
        ranked = [self._found[point.name] for point in points if point.name in self._found]
        return rank(ranked) if ranked else None
