"""Write HTML pages that need no network: style, tables and images are part of the page."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from thaw.files import atomic_write

STYLE = """
:root { --ink: #1d2733; --soft: #5b6775; --line: #e2e6ea; --blue: #0072b2; --orange: #d55e00; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.5rem 4rem; color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.8rem 0 .3rem; }
p { margin: .3rem 0 .8rem; max-width: 60rem; } .soft { color: var(--soft); font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { text-align: left; padding: .4rem .9rem .4rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
"""
# Whatever stands in the body, the browser fetches nothing.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
 style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Thaw: {title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def write_page(path: Path, title: str, body: str, style: str = "") -> None:
    """Write a page. body: HTML; style: CSS in addition to STYLE."""
    page = PAGE.format(title=escape(title), style=STYLE + style, body=body)
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def table(rows: Sequence[dict[str, str]], kind: str = "") -> str:
    """One row or more as an HTML table, headed by the keys of the first. kind: its CSS class."""
    head = "".join(f"<th>{escape(title)}</th>" for title in rows[0])
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row.values())}</tr>" for row in rows
    )
    return (
        f'<div class="wide"><table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def jpeg_uri(pixels: np.ndarray) -> str:
    """uint8 RGB (h, w, 3) as JPEG in a data URI."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "jpeg", quality=85)
    return data_uri("image/jpeg", stream.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    """A file of this media type as a URI that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
