"""The script that Streamlit runs for each visitor, and again for each of their clicks."""

import logging
from base64 import b64encode
from importlib import import_module
from pathlib import Path

import streamlit as st

from thaw.errors import ThawError
from thaw.page.texts import frame

FOLDER = Path(__file__).parent
ICON = FOLDER.parent / "serving" / "static" / "icon.svg"  # also of the API's form

log = logging.getLogger("thaw")


def main() -> None:
    """Show the open tab; the address of the page names it."""
    st.set_page_config(page_title=frame.NAME, page_icon=str(ICON), layout="wide")
    st.html(FOLDER / "look.css")
    _show_name()
    tabs = st.tabs(list(frame.TABS.values()), key="tab", bind="query-params")
    for tab, name in zip(tabs, frame.TABS, strict=True):
        if tab.open:
            with tab:
                _show(name.replace("-", "_"))


def _show_name() -> None:
    icon = b64encode(ICON.read_bytes()).decode()
    image = f'<img src="data:image/svg+xml;base64,{icon}" alt="">'
    st.html(f'<h1 class="thaw-name">{image}{frame.NAME}</h1>')


def _show(module: str) -> None:
    """Run a tab; whatever fails in it becomes a sentence."""
    try:
        # Imported here, because a tab may need packages that the others do not.
        import_module(f"thaw.page.{module}").show()
    except ThawError as error:
        st.error(frame.FAILED.format(reason=error))
    except ModuleNotFoundError as error:
        st.info(frame.NO_PACKAGE.format(package=error.name))
    except Exception:
        log.exception("the page has a defect")
        st.error(frame.DEFECT)


main()
