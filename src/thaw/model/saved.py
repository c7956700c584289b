"""Save the classifier as a reproducible .keras file, without times and memory addresses."""

import json
import re
import zipfile
from pathlib import Path

import keras

from thaw.files import atomic_write

ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold


def load_model(path: Path) -> keras.Model:
    """Load what `save_model` wrote."""
    return keras.saving.load_model(path)


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
