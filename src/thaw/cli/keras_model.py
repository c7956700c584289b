"""`thaw keras`: write what was trained as a Keras model."""

from pathlib import Path
from typing import Annotated

import typer

from thaw.cli.output import note
from thaw.errors import ThawError


def keras_model(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="The file to write; its name ends in .keras.")
    ] = Path("models/model.keras"),
) -> None:
    """Write the trained network as a Keras model, to go on with in Keras.

    It takes uint8 RGB images (N, S, S, 3), 0 to 255, and gives probabilities (N, classes). The
    bundle in models/bundle is what is evaluated and served; this has its weights and temperature.
    """
    from thaw.bundle import check_bundle
    from thaw.files import atomic_write
    from thaw.params import load
    from thaw.paths import BUNDLE, TRAIN, WEIGHTS
    from thaw.tensorflow_log import quiet_import

    if path.suffix != ".keras":
        raise ThawError(f"the file must be called .keras, but is {path}: name it model.keras")
    with quiet_import():
        from thaw.model.saved import build_trained
    temperature = check_bundle(BUNDLE).get("temperature", 1.0)
    model = build_trained(load(), TRAIN / "best.json", WEIGHTS, temperature)
    with atomic_write(path) as temporary:
        model.save(temporary)
    note(f"{path} is written")
