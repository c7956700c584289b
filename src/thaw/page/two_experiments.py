"""Two experiments side by side: the verdict, confusion matrices, where they disagree."""

import numpy as np
import streamlit as st

from thaw.experiments.compare import Comparison
from thaw.experiments.comparison_plots import draw_setting_confusion
from thaw.experiments.comparison_table import sentence
from thaw.experiments.disagreement import Disagreement, find_disagreements, thumbnails
from thaw.experiments.paired_tests import Pair
from thaw.experiments.setting import Setting
from thaw.page.drawings import Compared, show_drawing
from thaw.page.markdown import plain
from thaw.page.texts import experiments as texts

SIDE = 140  # pixels of an image


def show(compared: Compared) -> None:
    """Let the visitor choose two, and show them."""
    settings = compared.comparison.settings
    by_name = {setting.name: number for number, setting in enumerate(settings)}
    left, right = st.columns(2)
    with left:
        one = _choose(texts.FIRST, by_name, 0, "first")
    with right:
        other = _choose(texts.SECOND, by_name, 1, "second")
    if one == other:
        st.info(texts.SAME_TWICE)
        return
    pairs = compared.comparison.pairs
    numbers = (min(one, other), max(one, other))
    pair = next((pair for pair in pairs if (pair.first, pair.second) == numbers), None)
    if pair is None:
        st.info(texts.NOT_PAIRED)
    else:
        names = {"first": settings[pair.first].label, "second": settings[pair.second].label}
        st.text(texts.VERDICT.format(**names, sentence=sentence(pair)))
    for column, number in zip(st.columns(2), (one, other), strict=True):
        with column:
            _show_confusion(compared, settings[number])
    if pair:
        _show_disagreements(compared, pair)


def _choose(label: str, by_name: dict[str, int], default: int, key: str) -> int:
    name = st.selectbox(label, list(by_name), default, key=key, bind="query-params")
    return by_name[name]


def _show_confusion(compared: Compared, setting: Setting) -> None:
    images = compared.comparison.images
    title = texts.CONFUSION.format(name=setting.name)
    st.caption(plain(setting.label))
    show_drawing(compared, title, lambda: draw_setting_confusion(setting, images))


def _show_disagreements(compared: Compared, pair: Pair) -> None:
    numbers = (pair.first, pair.second)
    found, count, images = _disagreements(compared.key, numbers, compared.comparison, pair)
    if not found:
        st.text(texts.AGREE)
        return
    title = texts.DISAGREE.format(count=count)
    is_all = count == len(found)
    st.text(title if is_all else texts.SOME.format(disagree=title, shown=len(found)))
    with st.container(horizontal=True, key="disagreements"):
        for one in found:
            caption = _caption(one)
            st.image(images[one.name], caption, SIDE, output_format="JPEG", alt=one.name)


@st.cache_data(max_entries=10, show_spinner=False)
def _disagreements(
    key: tuple[str, ...], numbers: tuple[int, int], _comparison: Comparison, _pair: Pair
) -> tuple[list[Disagreement], int, dict[str, np.ndarray]]:
    found, count = find_disagreements(_comparison, _pair)
    run = _comparison.settings[numbers[0]].runs[0]
    return found, count, thumbnails(run, {one.name for one in found})


def _caption(one: Disagreement) -> str:
    """What the image shows, and what the two say, a line each."""
    lines = [texts.IMAGE.format(truth=plain(one.truth))]
    for place, (label, probability) in zip(texts.PLACES, one.answers, strict=True):
        mark = texts.RIGHT if label == one.truth else texts.WRONG
        words = {"place": place, "label": plain(label), "probability": probability}
        lines.append(texts.ANSWER.format(mark=mark, **words))
    return "  \n".join(lines)
