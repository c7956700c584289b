"""Write the page that `dvc plots show` fills with the plots."""

from pathlib import Path

from thaw.evaluate.page import write_page
from thaw.params import Declared
from thaw.stage import run


def main(params: Declared) -> None:
    """Write plots/page.html."""
    write_page(Path("plots/page.html"))


if __name__ == "__main__":
    run(main)
