"""The documentation: `make docs` builds it with every warning an error."""

import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

import reference

project = "Thaw"
copyright = "Thaw authors, MIT licence"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["images/photos/*"]
nitpicky = True
default_role = "literal"
# Types of other packages, which have documentation elsewhere; this one is readable offline.
nitpick_ignore_regex = [("py:.*", r"(?!thaw\b).*"), ("py:.*", r"thaw\.serving\.image_input.*")]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Thaw"
html_favicon = "../src/thaw/serving/static/icon.svg"
smartquotes = False  # two hyphens begin an option
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072b2", "color-brand-content": "#0072b2"},
    "dark_css_variables": {"color-brand-primary": "#56b4e9", "color-brand-content": "#56b4e9"},
}


def setup(app: Sphinx) -> None:
    """Write the pages of the reference before the others are read; docstrings are plain text."""
    app.connect("builder-inited", lambda app: reference.write(Path(app.srcdir) / "reference"))
    app.connect("autodoc-process-docstring", escape)


def escape(app: Sphinx, what: str, name: str, object_: Any, options: Any, lines: list[str]) -> None:
    """Let the bars of an absolute value be bars."""
    lines[:] = [line.replace("|", "\\|") for line in lines]
