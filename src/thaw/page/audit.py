"""The part Audit of the tab Data: decide on images, and download the table of corrected labels."""

from typing import Any

import pandas as pd
import streamlit as st

from thaw.data.relabel import read_corrections
from thaw.data.tables import read_classes
from thaw.evaluate.audit_lists import (
    DROP,
    KEEP,
    LABEL,
    LISTS,
    corrections,
    corrections_csv,
    read_audit,
)
from thaw.page import sources
from thaw.page.gallery import open_page, show_image, thumbnails
from thaw.page.markdown import plain
from thaw.page.texts import data as texts
from thaw.params import load
from thaw.paths import AUDIT, IMAGES

CARD_WIDTH, IMAGE_WIDTH = 256, 222  # pixels
RELABEL = "relabel"


def show() -> None:
    """Show it."""
    sources.result(AUDIT)
    audit = _audit(sources.result_state())
    if audit.empty:
        st.info(texts.NO_AUDIT)
        return
    st.markdown(texts.AUDIT_IS)
    which = st.segmented_control(
        texts.LIST,
        list(LISTS),
        default=LABEL,
        required=True,
        format_func=lambda which: LISTS[which][0],
        key="audit-list",
        bind="query-params",
    )
    _show_table()
    rows = audit[audit["list"] == which]
    st.caption(LISTS[which][1])
    if rows.empty:
        st.success(texts.NOTHING_LISTED)
        return
    chosen = rows[open_page(len(rows), f"audit-page-{which}", texts.NUMBER)]
    small = thumbnails(list(chosen["name"]))
    classes = read_classes(sources.result(IMAGES))
    with st.container(horizontal=True, key="audit-cards"):
        for row in chosen.to_dict("records"):
            with st.container(border=True, width=CARD_WIDTH, key=f"audit-card-{row['name']}"):
                alt = texts.PICTURED.format(name=row["name"], label=row["label"])
                show_image(small[row["name"]], "", alt, IMAGE_WIDTH)
                _decide(row, classes)


@st.cache_resource(max_entries=1, show_spinner=False)
def _audit(state: tuple[int, ...]) -> pd.DataFrame:
    return read_audit(AUDIT)


def _decisions() -> dict[tuple[str, str], str | None]:
    """The decisions of this visitor: KEEP, DROP or a new label, by name and present label."""
    return st.session_state.setdefault("decisions", {})


def _show_table() -> None:
    """What was decided, as a file."""
    file = load().data.relabel_file()
    decisions = {name: decision for (name, _), decision in _decisions().items()}
    earlier = read_corrections(file)
    rows = corrections(decisions, earlier)
    dropped = list(decisions.values()).count(DROP)
    relabelled = len(decisions) - list(decisions.values()).count(KEEP) - dropped
    counts = {"decided": len(decisions), "relabelled": relabelled, "dropped": dropped}
    with st.container(horizontal=True, vertical_alignment="center", key="audit-table"):
        st.download_button(
            texts.DOWNLOAD,
            corrections_csv(rows),
            "relabel.csv",
            "text/csv",
            key="audit-download",
            on_click="ignore",
        )
        st.markdown(texts.DECIDED.format(**counts))
        if file is not None:
            st.markdown(texts.EARLIER.format(count=len(earlier), path=plain(str(file))))
    with st.expander(texts.RELABEL_HEAD):
        st.markdown(texts.RELABEL_HOW)


def _decide(row: dict[str, Any], classes: list[str]) -> None:
    """What the list says of an image, and the widgets that decide on it."""
    name, label, suggested = row["name"], row["label"], row["suggested"]
    other = "" if suggested == label else texts.OTHER.format(suggested=plain(suggested))
    words = {key: plain(row[key]) for key in ("name", "label", "reason")}
    st.markdown(texts.CARD.format(other=other, **words))
    others = [one for one in classes if one != label]
    word = st.segmented_control(
        texts.DECISION.format(name=plain(name)),
        list(texts.DECISIONS),
        default=_word(name, label),
        format_func=texts.DECISIONS.__getitem__,
        key=f"decision-{name}-{label}",
        label_visibility="collapsed",
        on_change=_store,
        args=(name, label, others[0] if suggested == label else suggested),
    )
    if word == RELABEL and len(others) > 1:
        st.selectbox(
            texts.NEW_LABEL.format(name=name),
            others,
            others.index(_decisions()[name, label] or others[0]),
            key=f"new-label-{name}-{label}",
            label_visibility="collapsed",
            on_change=_store_label,
            args=(name, label),
        )
    elif word == RELABEL:
        st.caption(texts.NEW.format(label=plain(others[0])))


def _word(name: str, label: str) -> str | None:
    """The button of the decision on an image."""
    if (name, label) not in _decisions():
        return None
    return {KEEP: "keep", DROP: "drop"}.get(_decisions()[name, label], RELABEL)


def _store(name: str, label: str, new_label: str) -> None:
    """Keep the decision that was clicked; a second click takes it back."""
    word = st.session_state[f"decision-{name}-{label}"]
    if word is None:
        _decisions().pop((name, label), None)
    else:
        _decisions()[name, label] = {"keep": KEEP, "drop": DROP}.get(word, new_label)


def _store_label(name: str, label: str) -> None:
    _decisions()[name, label] = st.session_state[f"new-label-{name}-{label}"]
