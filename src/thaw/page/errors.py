"""The tab Errors: the mistakes on the test images, and what speaks for each answer."""

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from thaw.errors import ThawError
from thaw.evaluate.gradcam import read_explained
from thaw.evaluate.mistakes import confused_pairs, confusion_matrix, worst_mistakes
from thaw.evaluate.predictions import Predictions, read_predictions
from thaw.files import read_json
from thaw.overlay import overlay
from thaw.page import sources
from thaw.page.gallery import SIDE, choose, encoded, open_page, show_image, thumbnails
from thaw.page.markdown import plain
from thaw.page.texts import errors as texts
from thaw.paths import BUNDLE_METRICS, EXPLAIN, PREDICTIONS
from thaw.serving.predictor import Predictor

PAIRS = 10  # of classes
PER_PAGE = 8  # mistakes
SHORT = 12  # digits of a bundle's hash
CARD_WIDTH = 350  # pixels: the image and its overlay side by side


def show() -> None:
    """Show it."""
    sources.result(PREDICTIONS)
    test = _test_predictions(sources.result_state())
    st.info(texts.TEST_ONLY)
    mistakes = worst_mistakes(test)
    if not len(mistakes):
        st.success(texts.NONE.format(images=len(test.names)))
        return
    st.markdown(texts.COUNT.format(mistakes=len(mistakes), images=len(test.names)))
    _show_pairs(test)
    st.subheader(texts.WORST)
    chosen = _filtered(test)
    if not len(chosen):
        st.info(texts.NO_SUCH)
        return
    here = open_page(len(chosen), "error-page", texts.MISTAKES, PER_PAGE)
    _show_mistakes(test, chosen[here].tolist())


@st.cache_resource(max_entries=1, show_spinner=False)
def _test_predictions(state: tuple[int, ...]) -> Predictions:
    return read_predictions(PREDICTIONS).subset("test")


def _show_pairs(test: Predictions) -> None:
    pairs = confused_pairs(confusion_matrix(test), test.labels)
    st.subheader(texts.PAIRS)
    table = pd.DataFrame(pairs[:PAIRS]).rename(columns=texts.PAIR_COLUMNS)
    st.dataframe(table, hide_index=True, width="content", key="error-pairs", alt=texts.PAIRS)
    if len(pairs) > PAIRS:
        st.caption(texts.PAIRS_SHOWN.format(shown=PAIRS, total=len(pairs)))


def _filtered(test: Predictions) -> np.ndarray:
    """Indices of the mistakes of the chosen classes and confidences, worst first."""
    left, middle, right = st.columns(3)
    with left:
        truth = choose(texts.TRUTH, test.labels, "error-truth")
    with middle:
        answer = choose(texts.ANSWER, test.labels, "error-answer")
    with right:
        low, high = st.slider(
            texts.CONFIDENCE, 0, 100, (0, 100), key="error-confidence", bind="query-params"
        )
    return worst_mistakes(test, None, truth, answer, (low / 100, high / 100))


def _show_mistakes(test: Predictions, chosen: list[int]) -> None:
    """Each image beside its heatmap. The images come first: heatmaps may need the bundle."""
    names = [test.names[index] for index in chosen]
    small = thumbnails(names)
    st.caption(texts.HEATMAPS)
    places = {}
    with st.container(horizontal=True, key="error-cards"):
        for index, name in zip(chosen, names, strict=True):
            with st.container(border=True, width=CARD_WIDTH, key=f"error-card-{name}"):
                classes = _classes(test, index)
                words = {key: plain(label) for key, label in classes.items()}
                confidence = 100 * test.probabilities[index].max()
                st.markdown(texts.CARD.format(name=plain(name), confidence=confidence, **words))
                with st.container(horizontal=True):
                    alt = texts.PICTURED.format(name=name, **classes)
                    show_image(small[name], "", alt)
                    places[index] = st.container(width="content")
    _show_heatmaps(test, places)


def _classes(test: Predictions, index: int) -> dict[str, str]:
    """The true and the answered class of an image."""
    labels = test.labels
    return {"truth": labels[test.truth[index]], "answer": labels[test.predicted[index]]}


def _show_heatmaps(test: Predictions, places: dict[int, DeltaGenerator]) -> None:
    """Put the overlay of each image into its place: as stored, or else as the bundle answers."""
    stored = _stored_overlays(sources.result_state())
    asked = {
        test.names[index]: _classes(test, index)["answer"]
        for index in places
        if test.names[index] not in stored
    }
    found = _asked_overlays(asked) if asked else {}
    for index, place in places.items():
        name, answer = test.names[index], _classes(test, index)["answer"]
        image = stored.get(name, found.get(name))
        with place:
            if isinstance(image, np.ndarray):
                alt = texts.OVERLAY.format(name=name, answer=answer)
                show_image(image, "", alt)
            else:
                st.caption(texts.NO_HEATMAP.format(reason=plain(str(image))))


@st.cache_data(max_entries=1, show_spinner=False)
def _stored_overlays(state: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Overlays of the answers to the images that the pipeline explained, by name."""
    predictions, images, heatmaps = read_explained(sources.result(EXPLAIN))
    rows = zip(predictions.names, images, heatmaps, predictions.predicted, strict=True)
    return {name: overlay(image, maps[answer]) for name, image, maps, answer in rows}


def _asked_overlays(asked: dict[str, str]) -> dict[str, np.ndarray | str]:
    """The overlay of a class for each image, by name, or why there is none."""
    loaded = sources.bundle()
    predicted = read_json(sources.result(BUNDLE_METRICS), ["bundle"])["bundle"]
    if predicted != loaded.sha256:
        hashes = {"predicted": predicted[:SHORT], "here": loaded.sha256[:SHORT]}
        st.warning(texts.OTHER_BUNDLE.format(**hashes))
    wanted = tuple(asked.items())
    return _bundle_overlays(wanted, loaded.sha256, sources.result_state(), loaded.predictor)


@st.cache_data(max_entries=20, show_spinner=False)
def _bundle_overlays(
    asked: tuple[tuple[str, str], ...], sha256: str, state: tuple[int, ...], _predictor: Predictor
) -> dict[str, np.ndarray | str]:
    files = encoded({name for name, _ in asked})
    predictions = _predictor.each(files[name] for name, _ in asked)
    found: dict[str, np.ndarray | str] = {}
    for (name, label), prediction in zip(asked, predictions, strict=True):
        try:
            if isinstance(prediction, ThawError):
                raise prediction
            image = prediction.overlay(label)
        except ThawError as error:
            found[name] = str(error)
            continue
        image.thumbnail((SIDE, SIDE))
        found[name] = np.asarray(image)
    return found
