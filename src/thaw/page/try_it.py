"""The tab Try it: the bundle answers to images of the visitor."""

import streamlit as st

from thaw.errors import ThawError, listing
from thaw.page import sources
from thaw.page.answer_table import show_table
from thaw.page.answer_view import show_answer, show_failure
from thaw.page.answers import Key, answer
from thaw.page.chosen_images import choose
from thaw.page.markdown import plain
from thaw.page.texts import try_it as texts


def show() -> None:
    """Show it."""
    loaded = sources.bundle()
    predictor = loaded.predictor
    st.header(texts.TITLE)
    st.markdown(texts.CLASSES.format(classes=plain(listing(predictor.labels))))
    images = choose()
    size = _input_size(predictor.image_size)
    answers = answer(loaded, images, size)
    if not images:
        return
    if len(images) > 1:
        show_table(loaded, images, answers, size)
    elif isinstance(found := answers[0], ThawError):
        show_failure(images[0].name, found)
    else:
        show_answer(loaded, Key(loaded.sha256, size, images[0].sha256), found)


def _input_size(full: int) -> int:
    """The size to which images are first reduced, pixels a side; `full` changes none."""
    help_text = texts.SIZE_HELP.format(size=full)
    least = max(1, full // 16)
    return st.slider(
        texts.SIZE, least, full, full, key="input-size", help=help_text, bind="query-params"
    )
