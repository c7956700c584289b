"""The answers to a visitor's images, which only this visitor's session holds."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from thaw.errors import ThawError
from thaw.page.chosen_images import MOST, Chosen
from thaw.page.texts import try_it as texts
from thaw.parallel import batched
from thaw.serving.prediction import Prediction
from thaw.serving.published import Loaded

MOST_ANSWERS = 2 * MOST  # in a session
BLOCK = 20  # images between two steps of the progress bar
STATE = "answers"

Answer = Prediction | ThawError


class Key(NamedTuple):
    """What an answer depends on. size: to which the image was reduced, pixels a side."""

    bundle: str
    size: int
    image: str


def answer(loaded: Loaded, images: Sequence[Chosen], size: int) -> list[Answer]:
    """The answer to each image, or why it has none; those of before are not computed again.

    Answers of another bundle, or to images that were taken away, are forgotten.
    """
    known: dict[Key, Answer] = st.session_state.get(STATE, {})
    keys = [Key(loaded.sha256, size, image.sha256) for image in images]
    missing = {key: image for key, image in zip(keys, images, strict=True) if key not in known}
    known |= _predict(loaded, missing, size)
    now = {key: known[key] for key in keys}
    hashes = {key.image for key in keys}
    before = {
        key: found
        for key, found in known.items()
        if key.bundle == loaded.sha256 and key.image in hashes and key not in now
    }
    st.session_state[STATE] = dict([*before.items(), *now.items()][-MOST_ANSWERS:])
    return [now[key] for key in keys]


def _predict(loaded: Loaded, missing: dict[Key, Chosen], size: int) -> dict[Key, Answer]:
    predictor = loaded.predictor.reduced_to(size)
    if len(missing) <= 1:
        return dict(zip(missing, predictor.each(image.data for image in missing.values())))
    found: dict[Key, Answer] = {}
    place = st.empty()
    answers = predictor.each(image.data for image in missing.values())
    for block in batched(zip(missing, answers, strict=True), BLOCK):
        found |= block
        text = texts.PREDICTING.format(done=len(found), count=len(missing))
        place.progress(len(found) / len(missing), text)
    place.empty()
    return found
