"""What a bundle says of one image."""

import base64
import html
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from PIL import Image

from thaw.errors import ThawError, listing
from thaw.overlay import overlay

SHOWN = 3  # classes in the repr; the most probable


@dataclass(frozen=True, repr=False, eq=False)
class Prediction:
    """The answer to an image.

    label: the class, by the decision rule of the bundle. probabilities: of each class, calibrated,
    in the order of the bundle. unknown_score: 0 or more, larger for stranger images; None from a
    bundle without. abstain: why the answer should be left to a person: "unknown" if the image
    shows none of the classes, by its score and the limit of the bundle; "unsure" if the rule says
    that the risk is too high; None if the label is an answer.
    """

    label: str
    probabilities: dict[str, float]
    unknown_score: float | None
    abstain: Literal["unknown", "unsure"] | None
    _heatmaps: np.ndarray = field(repr=False)  # float32 (C, h, w)
    _view: Callable[[], np.ndarray] = field(repr=False)  # uint8 RGB (H, W, 3)

    @property
    def confidence(self) -> float:
        """The probability of `label`."""
        return self.probabilities[self.label]

    def most_probable(self, count: int = SHOWN) -> list[tuple[str, float]]:
        """The `count` most probable classes with their probabilities; of equals the first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:count]

    def heatmap(self, label: str | None = None) -> np.ndarray:
        """Grad-CAM of a class, by default of `label`: float32 (h, w), not negative, any scale.

        Raises ThawError if the bundle has no such class.
        """
        label = self.label if label is None else label
        labels = list(self.probabilities)
        if label not in labels:
            raise ThawError(f"a class of this bundle is one of {listing(labels)}, not {label!r}")
        return self._heatmaps[labels.index(label)]

    def view(self) -> np.ndarray:
        """What the network saw of the image, in its own proportions: uint8 RGB (H, W, 3).

        Decodes the image again, from its path if it was given as one.
        """
        return self._view()

    def overlay(self, label: str | None = None) -> Image.Image:
        """The heatmap of a class, by default of `label`, over `view`."""
        return Image.fromarray(overlay(self.view(), self.heatmap(label)))

    def overlay_url(self) -> str:
        """The overlay of `label` as a data URL with a PNG."""
        stream = io.BytesIO()
        self.overlay().save(stream, "png")
        return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()

    def __repr__(self) -> str:
        shown = ", ".join(f"{label} {p:.3f}" for label, p in self.most_probable())
        more = len(self.probabilities) - SHOWN
        shown += f", {more} more" if more > 0 else ""
        return f"<Prediction {self.label}{f', {self.abstain}' if self.abstain else ''}: {shown}>"

    def _repr_html_(self) -> str:
        """The overlay beside the most probable classes, for notebooks."""
        rows = "".join(
            f"<tr><td>{html.escape(label)}</td><td><meter value='{p:.4f}'></meter></td>"
            f"<td>{p:.3f}</td></tr>"
            for label, p in self.most_probable()
        )
        verdict = html.escape(f"{self.label}, {self.abstain}" if self.abstain else self.label)
        return (
            f"<img alt='What speaks for {html.escape(self.label)}' height='200' "
            f"src='{self.overlay_url()}'><p><b>{verdict}</b></p><table>{rows}</table>"
        )
