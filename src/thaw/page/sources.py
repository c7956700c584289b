"""What the page shows: a bundle, and the repository in which the page was started.

Both are shared by all visitors, and read again when they change on disk.
"""

import sys
from pathlib import Path

import streamlit as st

from thaw.errors import ThawError
from thaw.page.texts import frame
from thaw.paths import BUNDLE, LOCK
from thaw.serving.published import LiveBundle, Loaded

MANIFEST = "manifest.json"


def bundle() -> Loaded:
    """The bundle that answers. If there is none, says how to make one, and ends the tab."""
    address, *folder = sys.argv[1:] or [str(BUNDLE)]  # AppTest gives none
    try:
        state = _state(Path(address) / MANIFEST) or _state(Path(address))  # of a folder or a zip
        return _live(address, folder, state).current()
    except ThawError as error:
        st.info(frame.NO_BUNDLE.format(reason=error))
        st.stop()


def has_repository() -> bool:
    """Whether the page was started in a repository."""
    return Path("dvc.yaml").exists()


def repository() -> Path:
    """The root of the repository. Where there is none, says so, and ends the tab."""
    if not has_repository():
        st.info(frame.NO_REPOSITORY)
        st.stop()
    return Path.cwd()


def result(path: Path) -> Path:
    """A file of the repository that a stage writes. If it is missing, says so, and ends the tab."""
    if not (found := repository() / path).exists():
        st.info(frame.NO_RESULT.format(path=path))
        st.stop()
    return found


def result_state() -> tuple[int, ...]:
    """What changes whenever the pipeline has run; a key for caches of what it wrote."""
    return _state(repository() / LOCK)


@st.cache_resource(max_entries=1, show_spinner=False)
def _live(address: str, folder: list[str], state: tuple[int, ...]) -> LiveBundle:
    """state: part of the key; Streamlit leaves out what is called with an underscore."""
    return LiveBundle(address, *map(Path, folder))


def _state(path: Path) -> tuple[int, ...]:
    """What changes with a file; nothing if there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size
