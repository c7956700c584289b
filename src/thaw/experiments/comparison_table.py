"""Show a comparison as a table of text, as Markdown, or as JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from thaw.experiments.compare import Comparison, Ranking
from thaw.experiments.paired_tests import BETTER, UNCLEAR, WORSE, Pair
from thaw.experiments.setting import Setting, shown

WIDTH = 100  # columns
PAIRED = (
    "Exact McNemar test on the same images, in which an image and its duplicates count as one, "
    "and so do the runs of a setting; p is corrected by Holm's method over all pairs. A "
    "difference is shown if the corrected p is at most 0.05. “Could show” is the smallest "
    "difference that these images could show. Intervals are by bootstrap, not corrected."
)
TEST = "test, for no choice"
OF_TEST = ("accuracy", "accuracy_low", "accuracy_high")  # of metrics/eval.json
PAIR_KEYS = (
    *("images", "n", "runs", "difference", "low", "high", "p_value", "adjusted", "smallest"),
    "verdict",
)


def summary(comparison: Comparison) -> str:
    """What was compared, on which images, and how many are shown to differ from the best."""
    n, others = comparison.scores[0].n, len(comparison.settings) - 1
    which = {
        "val": f"{n:,} validation images",
        "out-of-fold": f"out-of-fold predictions of {n:,} training and validation images",
    }[comparison.images]
    if not others:
        return f"One setting, on {which}."
    differ = sum(pair.verdict != UNCLEAR for pair in comparison.pairs if pair.first == 0)
    return (
        f"{comparison.settings[0].label} has the highest accuracy on {which}. Of {others} others, "
        f"{differ} {'is' if differ == 1 else 'are'} shown to differ from it."
    )


def rows(comparison: Comparison, with_test: bool) -> list[dict[str, str]]:
    """A row for each setting, the best first. with_test: also accuracy on test images."""
    keys = short_keys(comparison)
    is_timed = any(mean_seconds(setting) for setting in comparison.settings)
    found = []
    for index, (setting, score) in enumerate(
        zip(comparison.settings, comparison.scores, strict=True)
    ):
        row = {"experiment": setting.name, "params": describe(setting, keys)}
        spread = "" if score.spread is None else f" ± {score.spread:.4f}"
        row[f"{comparison.images} accuracy"] = f"{score.accuracy:.4f}{spread}"
        row["95 % interval"] = f"{score.low:.3f}–{score.high:.3f}"
        row["loss"] = f"{score.loss:.4f}"
        if is_timed:
            row["seconds"] = f"{seconds:.1f}" if (seconds := mean_seconds(setting)) else ""
        row["against the first"] = verdict(comparison, index)
        if with_test:
            row[TEST] = "{:.4f} ({:.3f}–{:.3f})".format(*scores_on_test(setting).values())
        found.append(row)
    return found


def short_keys(ranking: Ranking) -> dict[str, str]:
    """The params that differ, and the names under which they are shown: without the section."""
    keys = list(ranking.settings[0].params)
    counts = Counter(key.rpartition(".")[2] for key in keys)
    last = {key: key.rpartition(".")[2] for key in keys}
    return {key: last[key] if counts[last[key]] == 1 else key for key in keys}


def describe(setting: Setting, keys: dict[str, str]) -> str:
    """The params of a setting that differ, such as `freeze_till=all views=2`."""
    return " ".join(f"{keys[key]}={shown(value)}" for key, value in setting.params.items())


def verdict(comparison: Comparison, index: int) -> str:
    """What is shown of a setting against the first, which has the highest accuracy."""
    if index == 0:
        return "first"
    pair = comparison.with_best(index)
    if pair is None:
        return "not on the same images"
    if pair.verdict == UNCLEAR:
        return f"{0.0 - pair.difference:+.4f}, {UNCLEAR} (could show {pair.smallest:.4f})"
    found = WORSE if pair.verdict == BETTER else BETTER
    return f"{-pair.difference:+.4f}, {found}, {p_text(pair.adjusted)}"


def p_text(p_value: float) -> str:
    """A p-value, as `p = 0.031` or `p < 0.0001`."""
    return f"p = {p_value:.2g}" if p_value >= 0.0001 else "p < 0.0001"


def notes(comparison: Comparison) -> list[str]:
    """What was compared how, and what was left out, a line each."""
    pairs = comparison.pairs
    if not pairs:
        return comparison.left_out
    how = "Exact paired test (McNemar) on the same images, with duplicates counted as one"
    if len(pairs) > 1:
        return [f"{how}, corrected (Holm) for {len(pairs)} pairs.", *comparison.left_out]
    names = " and ".join(setting.label for setting in comparison.settings)
    return [f"{names}: {sentence(pairs[0])}.", f"{how}.", *comparison.left_out]


def sentence(pair: Pair) -> str:
    """The result of the test of a pair, in a sentence."""
    runs = f", {pair.runs} runs each" if pair.runs > 1 else ""
    verdict = {BETTER: "the former is better", WORSE: "the latter is better"}
    return (
        f"{verdict.get(pair.verdict, pair.verdict)}, {pair.difference:+.4f} "
        f"({pair.low:+.4f} to {pair.high:+.4f}), {p_text(pair.adjusted)}, on {pair.n:,} images "
        f"({pair.images}{runs}), which could show {pair.smallest:.4f}"
    )


def pair_rows(comparison: Comparison) -> list[dict[str, str]]:
    """A row for each test; PAIRED says how it was done."""
    return [
        {
            "first": comparison.settings[pair.first].label,
            "second": comparison.settings[pair.second].label,
            "difference": f"{pair.difference:+.4f}",
            "95 % interval": f"{pair.low:+.4f} to {pair.high:+.4f}",
            "p": f"{pair.p_value:.2g}",
            "p, corrected": f"{pair.adjusted:.2g}",
            "could show": f"{pair.smallest:.4f}",
            "images": f"{pair.n:,} {pair.images}",
            "the first is": pair.verdict,
        }
        for pair in comparison.pairs
    ]


def mean_seconds(setting: Setting) -> float | None:
    """Mean seconds of the runs that a sweep timed; None if it timed none."""
    seconds = [run.seconds for run in setting.runs if run.seconds is not None]
    return float(np.mean(seconds)) if seconds else None


def scores_on_test(setting: Setting) -> dict[str, float]:
    """Accuracy and its interval on test: means over the runs."""
    return {key: float(np.mean([run.metrics[key] for run in setting.runs])) for key in OF_TEST}


def as_text(comparison: Comparison, with_test: bool) -> str:
    """The table and the notes, at most WIDTH columns wide."""
    table_rows = [_stacked(row) for row in rows(comparison, with_test)]
    return _table(table_rows) + "\n" + _wrapped(notes(comparison))


def _stacked(row: dict[str, str]) -> dict[str, str]:
    """The row in fewer columns, with several lines in a cell."""
    name, params, accuracy, interval, *others = row
    lines = [row[name], *(f"  {word}" for word in row[params].split())]
    stacked = {
        name: "\n".join(lines),
        f"{accuracy}\n{interval}": f"{row[accuracy]}\n{row[interval]}",
    }
    for title in others:
        stacked[title.replace(", ", ",\n")] = row[title].replace(", ", "\n").replace(" (", "\n(")
    return stacked


def _table(table_rows: Sequence[dict[str, str]]) -> str:
    table = Table(box=None, pad_edge=False, header_style="", padding=(0, 2, 0, 0))
    for title in table_rows[0]:
        table.add_column(title, overflow="fold")
    for row in table_rows:
        table.add_row(*row.values())
    return _printed(table)


def _wrapped(lines: Sequence[str]) -> str:
    return "".join(_printed(line) for line in lines)


def _printed(what: Table | str) -> str:
    console = Console(width=WIDTH, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(what)
    lines = (line.rstrip() for line in capture.get().splitlines())
    return "".join(f"{line}\n" for line in lines)


def as_markdown(comparison: Comparison, with_test: bool) -> str:
    """The table and the notes in Markdown."""
    table_rows = rows(comparison, with_test)
    lines = [list(table_rows[0]), ["---"] * len(table_rows[0]), *(r.values() for r in table_rows)]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    table = "".join(f"| {' | '.join(line)} |\n" for line in cells)
    return table + "\n" + "".join(f"- {note}\n" for note in notes(comparison))


def as_json(comparison: Comparison, with_test: bool) -> dict[str, Any]:
    """Everything, with all pairs."""
    settings = [
        {
            "name": setting.name,
            "experiments": [run.name for run in setting.runs],
            "params": setting.params,
            "trainable_parameters": setting.runs[0].metrics["trainable_parameters"],
            "seconds": mean_seconds(setting),
            **asdict(score),
            **({"test": scores_on_test(setting)} if with_test else {}),
        }
        for setting, score in zip(comparison.settings, comparison.scores, strict=True)
    ]
    pairs = [
        {
            "first": comparison.settings[pair.first].name,
            "second": comparison.settings[pair.second].name,
            **{key: getattr(pair, key) for key in PAIR_KEYS},
        }
        for pair in comparison.pairs
    ]
    return {
        "images": comparison.images,
        "settings": settings,
        "pairs": pairs,
        "left_out": comparison.left_out,
    }
