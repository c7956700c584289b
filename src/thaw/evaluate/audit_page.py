"""Write the audit as one HTML page on which a person decides what happens to each image."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import pandas as pd

from thaw.evaluate.audit_lists import LABEL, LISTS
from thaw.evaluate.audit_script import SCRIPT, STYLE
from thaw.evaluate.html_page import jpeg_uri, table, write_page
from thaw.evaluate.image_quality import LEVEL, STRONG, Association
from thaw.images import thumbnail

MOST_SHOWN = 100  # images of a list
MOST_ROWS = 12  # of the table of associations
SIDE = 240  # pixels of a thumbnail
INTRODUCTION = """
<h1>Audit of the labels</h1>
<p>{count} training and validation images; test images take no part. Confident learning takes
{wrong} of the labels for wrong. Look at the first images of each list, until they look right.</p>
<p class="keys"><kbd>←</kbd> <kbd>→</kbd> <kbd>↑</kbd> <kbd>↓</kbd> move, <kbd>k</kbd> keep,
<kbd>r</kbd> relabel, <kbd>d</kbd> drop, <kbd>u</kbd> undo.</p>
<p>This browser remembers what you decide. Download <code>relabel.csv</code>, and put its path at
<code>data.relabel</code> in <code>params.yaml</code>. If there is an earlier one, continue from it,
so that what it says is in the new one.</p>
"""
BAR = """
<div class="bar" role="toolbar" aria-label="Decisions">
<span id="progress" role="status"></span>
<button type="button" id="undo">Undo</button>
<label class="button">Continue from a relabel.csv<input type="file" id="earlier" accept=".csv">
</label>
<button type="button" id="download">Download relabel.csv</button>
</div>
<dialog id="choose" aria-labelledby="chosen"><form method="dialog">
<label><span id="chosen"></span><select id="classes" size="12">{options}</select></label>
<p><button type="button" id="relabel">Relabel</button> <button>Cancel</button></p>
</form></dialog>
"""
SWITCHED_OFF = """
<h1>Audit of the labels</h1>
<p>There is none: it needs out-of-fold predictions, and cross-validation is switched off. Set
<code>crossval.enabled</code> to true in <code>params.yaml</code> and run <code>dvc repro</code>.
</p>
"""


def shown(audit: pd.DataFrame) -> pd.DataFrame:
    """The rows of the audit that the page shows: the first of each list."""
    return audit[audit["rank"] <= MOST_SHOWN]


def write_empty_page(path: Path) -> None:
    """Write the page that says that there are no out-of-fold predictions."""
    write_page(path, "audit", SWITCHED_OFF)


def write_audit_page(
    path: Path,
    audit: pd.DataFrame,
    wrong: int,
    associations: Sequence[Association],
    classes: Sequence[str],
    images: Mapping[str, bytes],
) -> None:
    """Write the page.

    audit: rows of the lists; wrong: number of labels that are taken for wrong; images: encoded, by
    name, those of the rows that are `shown`.
    """
    labels = audit.loc[audit["list"] == LABEL, ["name", "label"]].sort_values("name")
    thumbnails = {name: jpeg_uri(thumbnail(data, SIDE)) for name, data in images.items()}
    options = "".join(f"<option>{escape(name)}</option>" for name in classes)
    parts = [
        INTRODUCTION.format(count=f"{len(labels):,}", wrong=f"{wrong:,}"),
        *(_list(audit, which, thumbnails) for which in LISTS),
        _associations(associations),
        BAR.format(options=options),
        f'<script data-key="{_digest(labels)}">{SCRIPT}</script>',
    ]
    write_page(path, "audit", "\n".join(parts), STYLE)


def _digest(labels: pd.DataFrame) -> str:
    """What the browser's memory of decisions belongs to: these images with these labels."""
    return hashlib.sha256(json.dumps(labels.to_numpy().tolist()).encode()).hexdigest()[:16]


def _list(audit: pd.DataFrame, which: str, thumbnails: Mapping[str, str]) -> str:
    """A list as cards, one an image."""
    rows = audit[audit["list"] == which]
    first = rows.head(MOST_SHOWN).to_dict("records")
    cards = "".join(_card(row, thumbnails[row["name"]]) for row in first)
    title, how = LISTS[which]
    count = f"{len(rows):,} {'image' if len(rows) == 1 else 'images'}."
    if len(rows) > len(first):
        count = f"The first {len(first)} of {len(rows):,} images."
    return f'<h2>{title}</h2><p class="soft">{how} {count}</p><ol class="cards">{cards}</ol>'


def _card(row: Mapping[str, str], source: str) -> str:
    name, label, suggested = (escape(row[key]) for key in ("name", "label", "suggested"))
    buttons = "".join(
        f'<button type="button" tabindex="-1" data-do="{word}">{word}</button>'
        for word in ("keep", "relabel", "drop")
    )
    other = "" if suggested == label else f', <span class="other">{suggested}?</span>'
    return (
        f'<li class="card" tabindex="-1" data-name="{name}" data-label="{label}" '
        f'data-suggested="{suggested}"><img src="{source}" alt="" loading="lazy">'
        f'<div class="what"><b>{label}</b>{other} <span class="decision"></span></div>'
        f'<div class="why">{escape(row["reason"])}</div><div class="name">{name}</div>'
        f'<div class="buttons">{buttons}</div></li>'
    )


def _associations(found: Sequence[Association]) -> str:
    """The strongest as a table, below what it means."""
    rows = [
        {
            "property": one.name,
            "class": one.label,
            "AUROC": f"{one.auroc:.3f}",
            "95 % interval": f"{one.low:.3f} to {one.high:.3f}",
            "p, corrected": f"{one.p_value:.2g}",
            "goes with the label": one.verdict,
        }
        for one in found[:MOST_ROWS]
    ]
    more = f" The strongest {len(rows)} of {len(found)}." if len(found) > len(rows) else ""
    how = (
        "A property that differs between classes may be learned in place of what they show. AUROC "
        "is the probability that an image of the class has more of it than an image of another "
        f"class: 0.5 if it has nothing to do with the label. Yes: beyond 0.5 ± {STRONG}, and "
        f"corrected p at most {LEVEL} (Mann–Whitney, Benjamini–Hochberg).{more}"
    )
    body = table(rows) if rows else "<p>All images are alike.</p>"
    return f'<h2>Does image quality go with the label?</h2><p class="soft">{escape(how)}</p>{body}'
