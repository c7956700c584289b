"""The tab Data: the images, their split, what was left out, augmentation, and the audit."""

import pandas as pd
import streamlit as st

from thaw.data.overview import near_duplicates, read_left_out, split_counts
from thaw.data.tables import SPLIT_COLUMNS, read_csv
from thaw.evaluate.plots import PALETTE
from thaw.files import read_json
from thaw.page import audit, augmentation, sources
from thaw.page.gallery import choose, open_page, show_image, thumbnails
from thaw.page.markdown import plain
from thaw.page.texts import data as texts
from thaw.paths import INGEST_SUMMARY, INVENTORY, SPLIT

MOST_BARS = 30  # classes in the chart
MEMBERS = 8  # images of a group
GROUPS = 6  # of near duplicates on a page


def show() -> None:
    """Show the part that is open; the address names it."""
    sources.repository()
    parts = {
        texts.IMAGES: _show_images,
        texts.SPLIT: _show_split,
        texts.LEFT_OUT: _show_left_out,
        texts.NEAR: _show_near_duplicates,
        texts.AUGMENTATION: lambda: augmentation.show(_split()),
        texts.AUDIT: audit.show,
    }
    tabs = st.tabs(list(parts), key="data-part", bind="query-params")
    for tab, show_part in zip(tabs, parts.values(), strict=True):
        if tab.open:
            with tab:
                show_part()


def _split() -> pd.DataFrame:
    sources.result(SPLIT)
    return _read_split(sources.result_state())


@st.cache_resource(max_entries=1, show_spinner=False)
def _read_split(state: tuple[int, ...]) -> pd.DataFrame:
    return read_csv(SPLIT, SPLIT_COLUMNS)


def _show_images() -> None:
    table = _split()
    left, right = st.columns(2)
    with left:
        label = choose(texts.CLASS, sorted(set(table["label"])), "image-class")
    with right:
        part = choose(texts.SPLIT_OF, list(split_counts(table)), "image-split")
    if label is not None:
        table = table[table["label"] == label]
    if part is not None:
        table = table[table["split"] == part]
    if table.empty:
        st.info(texts.NO_IMAGES)
        return
    _show_rows(table[open_page(len(table), "image-page", texts.NUMBER)], "images")


def _show_rows(table: pd.DataFrame, key: str) -> None:
    """The images of rows of the split, side by side as far as there is room."""
    small = thumbnails(list(table["name"]))
    with st.container(horizontal=True, key=key):
        for row in table.to_dict("records"):
            words = {name: plain(row[name]) for name in ("name", "label", "split")}
            alt = texts.PICTURED.format(name=row["name"], label=row["label"])
            show_image(small[row["name"]], texts.IMAGE.format(**words), alt)


def _show_split() -> None:
    counts = split_counts(_split())
    images = int(counts.to_numpy().sum())
    st.markdown(texts.SPLIT_IS.format(images=images, classes=len(counts)))
    st.bar_chart(
        counts.iloc[:MOST_BARS],
        x_label=texts.CLASS,
        y_label=texts.NUMBER,
        color=[*PALETTE[: len(counts.columns)]],
        horizontal=True,
        alt=texts.CHART,
    )
    if len(counts) > MOST_BARS:
        st.caption(texts.MORE_CLASSES.format(shown=MOST_BARS, total=len(counts)))
    total = counts.sum().to_frame(texts.TOTAL).T
    st.dataframe(pd.concat([counts, total]), key="split-counts", alt=texts.CHART)


def _show_left_out() -> None:
    sources.result(INVENTORY)
    table = _left_out(sources.result_state())
    kept = read_json(sources.result(INGEST_SUMMARY), ["images"])["images"]
    if table.empty:
        st.success(texts.NOTHING_LEFT_OUT.format(kept=kept))
        return
    st.markdown(texts.LEFT_OUT_IS.format(kept=kept, count=len(table)))
    reasons = table["reason"].value_counts().reset_index()
    reasons["meaning"] = [texts.MEANINGS.get(reason, "") for reason in reasons["reason"]]
    st.dataframe(
        reasons.rename(columns=texts.REASON_COLUMNS), hide_index=True, key="left-out-reasons"
    )
    left, right = st.columns(2)
    with left:
        reason = choose(texts.REASON, list(reasons["reason"]), "left-out-reason")
    with right:
        part = st.text_input(texts.NAME_PART, key="left-out-name", bind="query-params")
    if reason is not None:
        table = table[table["reason"] == reason]
    table = table[table["name"].str.contains(part, case=False, regex=False)]
    if table.empty:
        st.info(texts.NO_SUCH_FILE.format(part=plain(part)))
    else:
        st.dataframe(table.rename(columns=texts.COLUMNS), hide_index=True, key="left-out")


@st.cache_resource(max_entries=1, show_spinner=False)
def _left_out(state: tuple[int, ...]) -> pd.DataFrame:
    return read_left_out(INVENTORY)


def _show_near_duplicates() -> None:
    sources.result(SPLIT)
    groups = _near_duplicates(sources.result_state())
    if not groups:
        st.success(texts.NO_NEAR)
        return
    st.markdown(texts.NEAR_IS.format(groups=len(groups), images=sum(map(len, groups))))
    for group in groups[open_page(len(groups), "near-page", texts.GROUPS, GROUPS)]:
        name = group["name"].iloc[0]
        with st.container(border=True):
            st.markdown(texts.GROUP.format(count=len(group), name=plain(name)))
            _show_rows(group.iloc[:MEMBERS], f"near-group-{name}")
            if len(group) > MEMBERS:
                st.caption(texts.MORE_OF_GROUP.format(shown=MEMBERS, total=len(group)))


@st.cache_resource(max_entries=1, show_spinner=False)
def _near_duplicates(state: tuple[int, ...]) -> list[pd.DataFrame]:
    return near_duplicates(_read_split(state))
