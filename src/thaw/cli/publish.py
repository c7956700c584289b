"""`thaw publish`: let a running server take up a bundle, or the one before."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thaw.bundle import MANIFEST, bundle_sha256
from thaw.bundle_source import open_bundle
from thaw.cli.bundle import Address
from thaw.cli.output import AsJson, note, print_json
from thaw.cli.project import from_here, project_root
from thaw.errors import ThawError
from thaw.files import read_json
from thaw.paths import BUNDLE, PUBLISHED

if TYPE_CHECKING:
    from thaw.experiments.gate import Verdict


Previous = Annotated[
    bool, typer.Option("--previous", help="Go back to the bundle before; no BUNDLE.")
]
Gate = Annotated[
    bool, typer.Option("--gate", help="Only if it is shown to be not worse than the published one.")
]
To = Annotated[
    Path | None,
    typer.Option(
        help="The folder of published bundles.", show_default="models/published of the project"
    ),
]


def publish(
    address: Address = None,
    previous: Previous = False,
    gate: Gate = False,
    to: To = None,
    json_: AsJson = False,
) -> None:
    """Publish a bundle: `thaw serve` takes it up within two seconds, without losing a request.

    It is checked, copied, and only then pointed to; the one before stays, for --previous. With
    --gate it is first compared with the published one on the test images of this project that
    neither has seen, in accuracy: the lower end of the 95 % interval of the difference must be
    above -2 percentage points. Exit code 1 if nothing is published.

    Examples: `thaw publish models/bundle` · `thaw publish --gate` · `thaw publish --previous`
    """
    from thaw.serving.publish import go_back
    from thaw.serving.publish import publish as add

    folder = from_here(PUBLISHED) if to is None else to
    if previous and (address or gate):
        raise ThawError("--previous goes back to what was published: give no BUNDLE and no --gate")
    verdict = None
    if previous:
        sha256 = go_back(folder)
    else:
        with open_bundle(address or from_here(BUNDLE)) as bundle:
            if gate:
                verdict = passed(bundle, folder)
            sha256 = add(bundle, folder)
    if json_:
        print_json({"sha256": sha256, "gate": verdict.as_json() if verdict else None})
    else:
        note(f"published in {folder}: {sha256}{f'; {verdict.reason}' if verdict else ''}")


def passed(bundle: Path, folder: Path) -> "Verdict":
    """The verdict of the gate that lets a bundle be published. ThawError with any other."""
    from thaw.experiments.gate import NOT_WORSE, SAME

    _, verdict = judge(bundle, folder, project_root())
    if verdict.outcome not in (NOT_WORSE, SAME):
        raise ThawError(
            f"the gate must show that the bundle is not worse than the published one, but does not "
            f"({verdict.outcome}): {verdict.reason}; without --gate it is published by hand"
        )
    return verdict


def judge(bundle: Path, folder: Path, project: Path) -> "tuple[str, Verdict]":
    """The hash of the bundle in a folder, and what the gate says of it."""
    from thaw.experiments.gate import INCOMPARABLE, SAME, Verdict, compare
    from thaw.parallel import cores
    from thaw.serving.predictor import Predictor
    from thaw.serving.publish import published

    served = [folder / name for name in published(folder)[:1]]
    sha256 = bundle_sha256(read_json(bundle / MANIFEST))
    if not served:
        return sha256, Verdict(INCOMPARABLE, "nothing is published yet, to compare with")
    if served[0].name == sha256:
        return sha256, Verdict(SAME, "it is the published one")
    new, old = ((path, Predictor(path, cores())) for path in (bundle, *served))
    return sha256, compare(new, old, project)
