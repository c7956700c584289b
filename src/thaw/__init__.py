"""Thaw: reproducible image classification by transfer learning."""

from typing import TYPE_CHECKING

from thaw.errors import ThawError

if TYPE_CHECKING:
    from thaw.serving.predictor import Predictor

__all__ = ["ThawError", "load"]


def load(bundle: str = "models/bundle") -> "Predictor":
    """Load a bundle: a folder, a .zip of one, or an address such as s3://…, checked by its hashes.

    Call the result with an image, a path, bytes, an image of Pillow or an array, or with a list of
    such: see thaw.serving.predictor.Predictor. All cores take part in a list. Raises ThawError if
    the bundle is missing or damaged.
    """
    # Imported here, because every stage imports this package, and OpenVINO takes time to load.
    from thaw.parallel import cores
    from thaw.serving.predictor import Predictor

    return Predictor(bundle, cores())
