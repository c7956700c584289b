"""What the routes of an application share."""

from dataclasses import dataclass, field
from threading import Event
from typing import cast

from flask import current_app

from thaw.serving.admission import Admission
from thaw.serving.metrics import Metrics
from thaw.serving.published import LiveBundle
from thaw.serving.settings import ServeSettings

NAME = "thaw"  # among the extensions of the application


@dataclass(frozen=True)
class Service:
    """The bundle, the limits and the counters. stopping: set when the server ends."""

    live: LiveBundle
    settings: ServeSettings
    admission: Admission
    metrics: Metrics
    stopping: Event = field(default_factory=Event)


def service() -> Service:
    """That of the application that answers the present request."""
    return cast(Service, current_app.extensions[NAME])
