"""Around the tabs: their names, and what to do where something is missing."""

NAME = "Thaw"
TABS = {
    "try-it": "Try it",
    "experiments": "Experiments",
    "data": "Data",
    "errors": "Errors",
    "about": "About",
}

NO_BUNDLE = """
There is no bundle here yet, or it cannot be used: {reason}

A bundle is the trained network with all that belongs to it. To make one, open a terminal in the
repository and run `make repro`; or start this page with one that you have:
`thaw page --bundle pets.zip`.
"""
NO_REPOSITORY = """
This tab shows a repository of experiments, and the page was started outside one.

Open a terminal in the repository (the folder with `dvc.yaml`) and run `thaw page` there.
"""
NO_RESULT = """
The pipeline has not run here yet, so {path} is missing.

Open a terminal in the repository and run `make repro`, or `dvc repro` for settings of your own.
"""
NO_PACKAGE = """
This tab needs the package {package}, which is not installed.

Run `pip install 'thaw[page,data,evaluate,pipeline]'` and start the page again.
"""
FAILED = "That did not work: {reason}"
DEFECT = (
    "Something went wrong in the page itself. Reload it; if that does not help, the log of "
    "`thaw page` says more."
)
