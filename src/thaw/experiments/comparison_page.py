"""Write a comparison as one HTML page that needs no network."""

from html import escape
from pathlib import Path

import numpy as np

from thaw.evaluate.html_page import data_uri, jpeg_uri, table
from thaw.evaluate.html_page import write_page as write_html
from thaw.experiments import comparison_table
from thaw.experiments.compare import Comparison
from thaw.experiments.comparison_plots import draw_intervals, draw_setting, shared_ranges
from thaw.experiments.comparison_table import PAIRED
from thaw.experiments.disagreement import Disagreement, find_disagreements, thumbnails
from thaw.experiments.paired_tests import BETTER, UNCLEAR, WORSE, Pair

MOST_DRAWN = 12  # settings; a table of more is readable, pictures are not
STYLE = """
tbody tr:first-child td { font-weight: 600; }
.pairs tbody tr:first-child td { font-weight: 400; }
img.figure { display: block; width: 100%; height: auto; }
.verdict { display: inline-block; padding: 0 .55rem; border-radius: 1rem; font-size: .85rem;
  background: #eef1f4; color: var(--soft); }
.verdict.shown { background: #e0f0fa; color: var(--blue); }
.images { display: flex; flex-wrap: wrap; gap: .9rem; margin: .6rem 0 0; }
.images figure { margin: 0; width: 8.8rem; }
.images img { display: block; width: 8.8rem; height: 8.8rem; object-fit: contain;
  background: #f4f6f8; border-radius: .3rem; }
.images figcaption { font-size: .78rem; line-height: 1.35; margin-top: .25rem;
  overflow-wrap: anywhere; }
.right { color: var(--blue); } .wrong { color: var(--orange); }
summary { cursor: pointer; color: var(--soft); }
"""


def write_page(path: Path, comparison: Comparison, with_test: bool) -> None:
    """Write the page. with_test: also the accuracy on test images."""
    parts = [
        _head(comparison),
        table(comparison_table.rows(comparison, with_test)),
        _intervals(comparison),
        _pairs(comparison),
        _disagreements(comparison),
        _drawings(comparison),
    ]
    write_html(path, "comparison", "\n".join(parts), STYLE)


def _head(comparison: Comparison) -> str:
    """What was found, and what was left out."""
    left_out = "".join(f"<p class=soft>{escape(line)}</p>" for line in comparison.left_out)
    found = escape(comparison_table.summary(comparison))
    return f"<h1>Comparison of experiments</h1><p>{found}</p>{left_out}"


def _intervals(comparison: Comparison) -> str:
    if not comparison.pairs:
        return ""
    return f"<h2>How sure is it?</h2>{_figure(draw_intervals(comparison), 'accuracy, differences')}"


def _pairs(comparison: Comparison) -> str:
    """All tests, folded away if they are many."""
    rows = comparison_table.pair_rows(comparison)
    if not rows:
        return ""
    opened = " open" if len(rows) <= MOST_DRAWN else ""
    return (
        f"<h2>Paired tests</h2><p class=soft>{PAIRED}</p><details{opened}><summary>{len(rows)} "
        f"{'pair' if len(rows) == 1 else 'pairs'}</summary>{table(rows, 'pairs')}</details>"
    )


def _disagreements(comparison: Comparison) -> str:
    """For each setting, the images on which it and the first disagree."""
    pairs = [pair for pair in comparison.pairs if pair.first == 0][: MOST_DRAWN - 1]
    chosen = {pair.second: find_disagreements(comparison, pair) for pair in pairs}
    found = [item for items, _ in chosen.values() for item in items]
    if not pairs:
        return ""
    images = thumbnails(comparison.settings[0].runs[0], {item.name for item in found})
    parts = [_disagreement(comparison, pair, images, *chosen[pair.second]) for pair in pairs]
    return f"<h2>Where they disagree</h2>{_limit(comparison)}{''.join(parts)}"


def _disagreement(
    comparison: Comparison,
    pair: Pair,
    images: dict[str, np.ndarray],
    items: list[Disagreement],
    count: int,
) -> str:
    first, second = (escape(comparison.settings[k].label) for k in (pair.first, pair.second))
    badge = {BETTER: f"{first} is better", WORSE: f"{second} is better"}.get(pair.verdict, UNCLEAR)
    shown = "" if badge == UNCLEAR else " shown"
    some = f", {len(items)} of them here" if count > len(items) else ""
    figures = "".join(_image(item, jpeg_uri(images[item.name]), (first, second)) for item in items)
    return (
        f"<h3>{first} and {second} <span class='verdict{shown}'>{badge}</span></h3>"
        f"<p class=soft>{escape(comparison_table.sentence(pair))}. On {count:,} images one alone "
        f"is right{some}.</p><div class=images>{figures}</div>"
    )


def _image(item: Disagreement, source: str, names: tuple[str, str]) -> str:
    answers = "".join(
        f"<br><span class={'right' if label == item.truth else 'wrong'}>{name}: {escape(label)} "
        f"{probability:.2f}</span>"
        for name, (label, probability) in zip(names, item.answers, strict=True)
    )
    name = escape(item.name)
    return (
        f"<figure><img src='{source}' alt='{name}' title='{name}' loading=lazy>"
        f"<figcaption>true: {escape(item.truth)}{answers}</figcaption></figure>"
    )


def _drawings(comparison: Comparison) -> str:
    """Learning curves and confusion matrix of each setting, with the same scales."""
    settings = comparison.settings[:MOST_DRAWN]
    ranges = shared_ranges(run.curves for setting in settings for run in setting.runs)
    keys = comparison_table.short_keys(comparison)
    parts = [
        f"<h3>{escape(setting.name)} <span class=soft>"
        f"{escape(comparison_table.describe(setting, keys))}</span></h3>"
        f"{_figure(draw_setting(setting, comparison.images, ranges), setting.label)}"
        for setting in settings
    ]
    title = "Learning curves and confusion matrices"
    note = (
        "<p class=soft>The scales are the same for all. Runs of a setting are drawn together.</p>"
    )
    return f"<h2>{title}</h2>{note}{_limit(comparison)}{''.join(parts)}"


def _limit(comparison: Comparison) -> str:
    """A line if not all settings are drawn."""
    if len(comparison.settings) <= MOST_DRAWN:
        return ""
    return (
        f"<p class=soft>The first {MOST_DRAWN} of {len(comparison.settings)} settings; "
        "name others on the command line to see them.</p>"
    )


def _figure(svg: bytes, title: str) -> str:
    source = data_uri("image/svg+xml", svg)
    return f'<img class="figure" src="{source}" alt="{escape(title)}">'
