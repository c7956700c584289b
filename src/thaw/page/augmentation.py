"""The part Augmentation of the tab Data: live views of an image, and the lines for params.yaml."""

from math import floor, log10
from typing import Any

import pandas as pd
import streamlit as st

from thaw.data.tables import read_rows
from thaw.data.views import ViewSettings, make_views, views_per_class
from thaw.images import decode
from thaw.page import sources
from thaw.page.gallery import show_image
from thaw.page.markdown import plain
from thaw.page.texts import data as texts
from thaw.params import Augment, Params, load
from thaw.paths import IMAGES
from thaw.settings import bounds, changed_lines, changes, exp_run

DIGITS = 6  # of what a slider gives
MOST_SHOWN, SHOWN = 24, 8  # views


def show(split: pd.DataFrame) -> None:
    """Show it. split: as thaw.data.tables.read_split returns it."""
    params = load()
    train = split[split["split"] == "train"]
    classes = sorted(set(train["label"]))
    st.markdown(texts.AUGMENT_IS)
    left, right = st.columns([3, 2], gap="large")
    with right, st.container(key="augment-settings"):
        after = _settings(params.augment, classes)
    with left:
        row = _choose_image(train, classes)
        most = bounds(Params, "seed")[1]
        seed = _number(texts.SEED, most, params.seed, "augment-seed", texts.SEED_HELP)
        settings = ViewSettings(after, params.base.image_size, params.base.resize, seed)
        _show_views(row, settings)
        trained = views_per_class(after, classes)[row["label"]]
        st.caption(texts.TRAINED[min(trained, 2)].format(count=trained))
    _show_lines(params.augment, after)


def _settings(before: Augment, classes: list[str]) -> Augment:
    """A widget for each param, which starts as params.yaml has it."""
    st.button(texts.RESET, key="augment-reset", on_click=_reset, args=(before,))
    values: dict[str, Any] = {}
    for name, start in before:
        label, about = texts.PARAMS[name]
        key = f"augment-{name}"
        if isinstance(start, dict):
            values[name] = _extra_views(start, classes)
        elif isinstance(start, bool):
            values[name] = st.toggle(label, start, key=key, help=about, bind="query-params")
        elif isinstance(start, int):
            values[name] = _number(label, bounds(Augment, name)[1], start, key, about)
        else:
            values[name] = _slider(name, start)
    return Augment.model_validate(values)


def _number(label: str, most: float, start: int, key: str, about: str | None = None) -> int:
    """A whole number from 0 on."""
    return st.number_input(label, 0, int(most), start, key=key, help=about, bind="query-params")


def _slider(name: str, start: float) -> float:
    """A slider of a magnitude, in a hundred steps or more."""
    low, high = map(float, bounds(Augment, name))
    step = 10.0 ** (floor(log10(high)) - 2)
    label, about = texts.PARAMS[name]
    value = st.slider(
        label,
        low,
        high,
        start,
        step,
        format="%g",
        key=f"augment-{name}",
        help=about,
        bind="query-params",
    )
    return value if value == start else round(value, DIGITS)


def _extra_views(start: dict[str, int], classes: list[str]) -> dict[str, int]:
    """A number for each chosen class. One that is not chosen any more stays, with 0."""
    label, about = texts.PARAMS["extra_views"]
    options = sorted({*classes, *start})
    chosen = st.multiselect(label, options, list(start), key="augment-extra_views", help=about)
    most = bounds(Augment, "views")[1]
    given = {
        name: _number(
            texts.EXTRA.format(label=plain(name)), most, start.get(name, 1), f"augment-extra-{name}"
        )
        for name in chosen
    }
    return dict.fromkeys(start, 0) | given


def _reset(before: Augment) -> None:
    """Let all widgets start again."""
    for name, start in before:
        st.session_state[f"augment-{name}"] = list(start) if isinstance(start, dict) else start
    for name, count in before.extra_views.items():
        st.session_state[f"augment-extra-{name}"] = count


def _choose_image(train: pd.DataFrame, classes: list[str]) -> dict[str, Any]:
    """The row of a training image: name, label, bytes and sha256."""
    left, right = st.columns(2)
    label = left.selectbox(texts.CLASS, classes, key="augment-class", bind="query-params")
    names = list(train.loc[train["label"] == label, "name"])
    number = right.number_input(
        texts.NUMBER_OF_IMAGE.format(count=len(names)),
        1,
        len(names),
        key="augment-image",
        bind="query-params",
    )
    columns = ["name", "label", "bytes", "sha256"]
    return next(read_rows(sources.result(IMAGES), columns, {names[number - 1]}))


def _show_views(row: dict[str, Any], settings: ViewSettings) -> None:
    """The image, and views of it as the stage makes them."""
    count = st.slider(
        texts.VIEWS_SHOWN, 1, MOST_SHOWN, SHOWN, key="augment-shown", bind="query-params"
    )
    original = decode(row["bytes"], settings.image_size, settings.resize)
    with st.container(horizontal=True, key="augmented"):
        name = texts.ORIGINAL.format(name=plain(row["name"]))
        show_image(original, name, texts.ORIGINAL.format(name=row["name"]))
        for view in make_views([(row, count)], settings):
            caption = texts.VIEW.format(k=view["k"])
            show_image(view["bytes"], caption, f"{caption}: {row['name']}")


def _show_lines(before: Augment, after: Augment) -> None:
    changed, _ = changes({"augment": before.model_dump()}, {"augment": after.model_dump()})
    if not changed:
        st.info(texts.UNCHANGED)
        return
    with st.container(key="augment-lines"):
        st.markdown(texts.LINES)
        st.code(changed_lines(changed), "yaml")
        command = exp_run(changed)
        st.markdown(texts.COMMAND if command else texts.NO_COMMAND)
        if command:
            st.code(command, "bash", wrap_lines=True)
