"""Save the classifier as a reproducible .keras file, without times and memory addresses."""

import json
import re
import zipfile
from pathlib import Path

import keras

from thaw.features.stored import check_fingerprint
from thaw.files import atomic_write, read_json
from thaw.model.base import load_base
from thaw.model.freeze import backbone_info, freeze
from thaw.model.keras_head import head_like
from thaw.model.network import build_classifier
from thaw.model.weights import read_weights
from thaw.params import Params

ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold


def build_trained(params: Params, best: Path, weights: Path) -> keras.Model:
    """The classifier that the files of the stage `train` describe: best.json, and the weights.

    Raises ThawError if `params` are of another training.
    """
    keras.utils.set_random_seed(params.seed)
    base = load_base(params.base)
    expected = {"weights": backbone_info(base).weights, "pooling": params.train.pooling}
    check_fingerprint(expected, read_json(best, ["features"])["features"], str(best))
    trained, of_base = read_weights(weights)
    for weight in base.weights if of_base else ():
        weight.assign(of_base[weight.path])
    freeze(base, read_json(best, ["freeze_till"])["freeze_till"])
    head = head_like(trained, params.train.dropout)
    return build_classifier(base, params.base.name, params.train.pooling, head)


def save_model(model: keras.Model, path: Path) -> None:
    """Save `model` as .keras. The same weights give the same bytes."""
    with atomic_write(path) as temporary:
        saved = temporary.with_suffix(".saved.keras")
        model.save(saved)
        with zipfile.ZipFile(saved) as source, zipfile.ZipFile(temporary, "w") as target:
            for member in sorted(source.namelist()):
                content = source.read(member)
                if member == "metadata.json":
                    content = _without_date(content)
                elif member == "config.json":
                    content = _without_addresses(content)
                target.writestr(zipfile.ZipInfo(member, ZIP_DATE), content)


def _without_date(metadata: bytes) -> bytes:
    content = json.loads(metadata)
    content.pop("date_saved")
    return json.dumps(content).encode()


def _without_addresses(config: bytes) -> bytes:
    """Replace the memory addresses that identify shared objects by their order of appearance."""
    order: dict[bytes, int] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return b'"shared_object_id": %d' % order.setdefault(found[1], len(order))

    return re.sub(rb'"shared_object_id": (\d+)', number, config)
