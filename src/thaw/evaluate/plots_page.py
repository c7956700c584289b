"""The page that `dvc plots show` fills, with its scripts inside, so that it needs no network."""

from pathlib import Path

import vl_convert

from thaw.files import atomic_write

VEGA_LITE = "5.21"  # the newest of version 5, in which DVC's plot templates are written
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
    """Write the template that DVC's setting `plots.html_template` names.

    DVC puts the plots in place of {plot_divs}; the scripts of vega, vega-lite and vega-embed,
    which its own template fetches from a server, are written into the page instead.
    """
    scripts = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE)
    with atomic_write(path) as temporary:
        temporary.write_text(TEMPLATE.replace("SCRIPTS", scripts), encoding="utf-8")
