"""Show images of the repository, a page at a time; only those that are shown are read."""

from collections.abc import Collection, Sequence

import numpy as np
import streamlit as st

from thaw.data.tables import read_rows
from thaw.images import thumbnail
from thaw.page import sources
from thaw.page.texts import gallery as texts
from thaw.paths import IMAGES

PER_PAGE = 12
SIDE = 240  # pixels of a thumbnail
WIDTH = 150  # of one on the page; two stand side by side on a telephone


def choose(label: str, found: Sequence[str], key: str) -> str | None:
    """One of the values, or None for all."""
    options = [texts.ALL, *found]
    chosen = st.selectbox(
        label,
        range(len(options)),
        format_func=options.__getitem__,
        key=key,
        bind="query-params",
    )
    return options[chosen] if chosen else None


def open_page(count: int, key: str, what: str, per_page: int = PER_PAGE) -> slice:
    """Which of `count` items, of one or more, are on the open page; says so, and turns the page.

    key: of the widget that does. what: what the items are.
    """
    pages = -(-count // per_page)
    page = st.pagination(pages, key=key, bind="query-params") if pages > 1 else 1
    start, stop = (page - 1) * per_page, min(page * per_page, count)
    st.caption(texts.SHOWN.format(first=start + 1, last=stop, total=count, what=what))
    return slice(start, stop)


def thumbnails(names: Sequence[str]) -> dict[str, np.ndarray]:
    """Images of the table as uint8 RGB (h, w, 3), at most SIDE pixels a side, by name."""
    return _thumbnails(tuple(names), sources.result_state())


@st.cache_data(max_entries=20, show_spinner=False)
def _thumbnails(names: tuple[str, ...], state: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {name: thumbnail(data, SIDE) for name, data in encoded(set(names)).items()}


def encoded(names: Collection[str]) -> dict[str, bytes]:
    """The files of images of the table, by name."""
    rows = read_rows(sources.result(IMAGES), ["name", "bytes"], names)
    return {row["name"]: row["bytes"] for row in rows}


def show_image(image: np.ndarray | bytes, caption: str, alt: str, width: int = WIDTH) -> None:
    """An image, uint8 RGB (h, w, 3) or a file, with a caption in Markdown."""
    st.image(image, caption, width=width, output_format="JPEG", alt=alt)
