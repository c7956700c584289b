"""The images that a visitor chose: uploaded, from the camera, or examples of the repository."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from thaw.page import sources
from thaw.page.texts import try_it as texts

MOST = 200  # images at once
MEGABYTES = 10  # of each
EXAMPLES = Path("docs/images/photos")


class Chosen(NamedTuple):
    """An image. name: as the visitor knows it; data: its bytes; sha256: of them."""

    name: str
    data: bytes
    sha256: str

    @classmethod
    def of(cls, name: str, data: bytes) -> "Chosen":
        """An image of these bytes."""
        return cls(name, data, hashlib.sha256(data).hexdigest())


def choose() -> list[Chosen]:
    """Let the visitor choose. Only a visitor who wants the camera is asked for it."""
    examples = _examples()
    ways = [texts.UPLOAD, texts.CAMERA, *([texts.EXAMPLES] if examples else [])]
    way = st.segmented_control(
        texts.SOURCE, ways, default=texts.UPLOAD, required=True, key="source", bind="query-params"
    )
    if way == texts.CAMERA:
        photo = st.camera_input(texts.TAKE_PHOTO, key="camera", width=480)
        return [Chosen.of(texts.PHOTO_NAME, photo.getvalue())] if photo else []
    if way == texts.EXAMPLES:
        name = st.pills(
            *(texts.EXAMPLE, list(examples)), key="example", required=True, bind="query-params"
        )
        st.caption(texts.ATTRIBUTION)
        return [Chosen.of(examples[name].name, examples[name].read_bytes())] if name else []
    return _uploaded()


def _uploaded() -> list[Chosen]:
    files = st.file_uploader(
        texts.CHOOSE, accept_multiple_files=True, key="upload", max_upload_size=MEGABYTES
    )
    st.caption(texts.LIMITS.format(images=MOST, megabytes=MEGABYTES))
    if len(files) > MOST:
        st.warning(texts.TOO_MANY.format(most=MOST, given=len(files)))
    return [Chosen.of(file.name, file.getvalue()) for file in files[:MOST]]


def _examples() -> dict[str, Path]:
    """The photographs that the repository has, by a name to show."""
    paths = sorted(EXAMPLES.glob("*.jpg")) if sources.has_repository() else []
    return {path.stem.rpartition("_")[0].replace("_", " ").capitalize(): path for path in paths}
