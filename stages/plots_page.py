"""Write the HTML template that `dvc plots show` fills with the plots."""

from thaw.evaluate.plots_page import write_page
from thaw.params import Params
from thaw.paths import PLOTS
from thaw.stage import run


def main(params: Params) -> None:
    """Write plots/page.html."""
    write_page(PLOTS / "page.html")


if __name__ == "__main__":
    run("plots_page", main)
