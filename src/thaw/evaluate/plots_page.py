"""Write the HTML template for `dvc plots show`, with its scripts inlined for offline use."""

from pathlib import Path

import vl_convert

from thaw.files import atomic_write

VEGA_LITE = "5.21"  # the newest of version 5, which DVC's plot templates need
TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Thaw: plots</title>
<style>
  body { font-family: sans-serif; margin: 2em; display: flex; flex-wrap: wrap; gap: 2em; }
  img { max-width: 100%; }
</style>
<script>
(() => {
SCRIPTS
})();
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def write_page(path: Path) -> None:
    """Write the template that DVC's option `plots.html_template` names.

    DVC replaces {plot_divs} by the plots. DVC's own template loads vega, vega-lite and vega-embed
    from a server; here they are part of the page.
    """
    scripts = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE)
    with atomic_write(path) as temporary:
        temporary.write_text(TEMPLATE.replace("SCRIPTS", scripts), encoding="utf-8")
