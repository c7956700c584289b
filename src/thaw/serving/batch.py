"""Predict many images: one row for each, in their order, in a file that a killed run goes on with.

While a run lasts, its rows are lines of JSON in a journal; the output is made of them at the end.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from thaw.errors import ThawError
from thaw.files import atomic_write
from thaw.serving.prediction import Prediction
from thaw.serving.predictor import Predictor

# Names of images, with their encoded bytes, or why they cannot be read.
Images = Iterable[tuple[str, bytes | ThawError]]

MOST_STEM = 200  # bytes of an image's name in that of its overlay; file systems take 255 in all


class Row(NamedTuple):
    """The answer to an image, or `error`, why there is none; then the other fields are None.

    See Prediction. The numbers are the shortest ones that round to the float32 of the network.
    """

    path: str
    label: str | None = None
    probabilities: list[float] | None = None
    unknown_score: float | None = None
    abstain: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Batch:
    """How images are predicted.

    min_confidence: an answer of lower probability abstains as unsure. overlays: a folder for what
    speaks for each label, as PNG, named by the number of the row and the image.
    """

    predictor: Predictor
    min_confidence: float = 0.0
    overlays: Path | None = None

    @property
    def key(self) -> dict[str, Any]:
        """What the rows depend on beside the images."""
        return {
            "bundle": self.predictor.manifest["sha256"],
            "min_confidence": self.min_confidence,
            "overlays": None if self.overlays is None else str(self.overlays),
        }

    def rows(self, images: Images, done: int = 0) -> Iterator[Row]:
        """Yield the row of each image, the first of which is row `done` of all."""
        names: deque[str] = deque()

        def contents() -> Iterator[bytes | ThawError]:
            for name, content in images:
                names.append(name)
                yield content

        for number, found in enumerate(self.predictor.each(contents()), done + 1):
            name = names.popleft()
            if self.overlays is not None and not isinstance(found, ThawError):
                with atomic_write(self.overlays / _overlay_name(number, name)) as temporary:
                    found.overlay().save(temporary, "png")
            yield row_of(name, found, self.min_confidence)


def _overlay_name(number: int, name: str) -> str:
    """The file of an overlay: the number of the row, and the start of the image's name."""
    stem = PurePosixPath(name).stem.encode(errors="surrogateescape")[:MOST_STEM]
    return f"{number:06d} {stem.decode(errors='ignore')}.png"


def row_of(name: str, found: Prediction | ThawError, min_confidence: float = 0.0) -> Row:
    """The row of an image. min_confidence: see Batch."""
    if isinstance(found, ThawError):
        return Row(name, error=str(found))
    unsure = "unsure" if found.confidence < min_confidence else None
    return Row(
        name,
        found.label,
        [_shortest(probability) for probability in found.probabilities.values()],
        None if found.unknown_score is None else _shortest(found.unknown_score),
        found.abstain or unsure,
    )


def _shortest(value: float) -> float:
    """The number with the fewest digits that rounds to the same float32."""
    return float(str(np.float32(value)))


class Journal:
    """The rows of a run that may be killed, as a file of lines. key: what they depend on."""

    def __init__(self, path: Path, key: dict[str, Any]) -> None:
        self._path = path
        self._header = json.dumps(key, sort_keys=True) + "\n"

    def resume(self, names: Iterable[str]) -> int:
        """Number of rows that are there already: those of the first `names`, which are taken.

        What a kill has left of a last line is cut off. Raises ThawError if the rows are of other
        images, or of another key.
        """
        if not self._path.exists():
            return 0
        remaining, header, count = iter(names), self._header.encode(), 0
        with self._path.open("r+b") as stream:
            found = stream.readline()
            if header.startswith(found) and found != header:  # killed before the first row
                stream.truncate(0)
                return 0
            if found != header:
                raise self._is_of("another bundle or other options")
            end = len(found)
            while (line := stream.readline()).endswith(b"\n"):
                if json.loads(line)["path"] != next(remaining, None):
                    raise self._is_of("other images")
                count, end = count + 1, end + len(line)
            stream.truncate(end)
        return count

    def add(self, rows: Iterable[Row]) -> None:
        """Append rows; each is in the file once the next is asked for."""
        with self._path.open("a", encoding="utf-8", newline="\n", buffering=1) as stream:
            if stream.tell() == 0:
                stream.write(self._header)
            for row in rows:
                stream.write(json.dumps(row._asdict(), ensure_ascii=False) + "\n")

    def rows(self) -> Iterator[Row]:
        """All rows, in order."""
        with self._path.open(encoding="utf-8", newline="\n") as stream:
            next(stream)
            for line in stream:
                yield Row(**json.loads(line))

    def _is_of(self, what: str) -> ThawError:
        return ThawError(
            f"a run goes on with the same images, bundle and options, but {self._path} is of "
            f"{what}: repeat the command that wrote it, or delete it to start again"
        )
