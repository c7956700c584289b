"""Counters for Prometheus: how the server does, and what tells that images drift."""

from functools import partial
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from thaw.serving.admission import Admission

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
CONFIDENCES = tuple(step / 20 for step in range(1, 21))
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OTHER = "other"  # a client may send any path and method; each would be a series
DIGITS = 12  # of a bundle's hash, in labels


class Metrics:
    """The counters of one application."""

    def __init__(self, admission: Admission) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = self._counter(
            "requests",
            "Requests by route, method, status and error code",
            "route method status code",
        )
        self._seconds = self._histogram("request_seconds", "Time of a request", "route", SECONDS)
        self._queued = self._histogram("queue_seconds", "Wait for a slot", "", SECONDS)
        self._answers = self._counter(
            "predictions", "Answers by bundle, class and abstention", "bundle label abstain"
        )
        self._confidence = self._histogram(
            "confidence", "Probability of the answered class", "bundle", CONFIDENCES
        )
        self._failed = self._counter(
            "failed_images", "Images without an answer, by error code", "bundle code"
        )
        for name, text in (("waiting", "Requests in the queue"), ("running", "Requests in slots")):
            gauge = Gauge(f"thaw_{name}", text, registry=self._registry)
            gauge.set_function(partial(getattr, admission, name))

    def request(
        self, route: str | None, method: str, status: int, code: str | None, seconds: float
    ) -> None:
        """Count a request. route: the rule, None without; code: that of an error."""
        method = method if method in METHODS else OTHER
        self._requests.labels(route or OTHER, method, status, code or "").inc()
        self._seconds.labels(route or OTHER).observe(seconds)

    def queued(self, seconds: float) -> None:
        """Count the wait for a slot."""
        self._queued.observe(seconds)

    def answer(self, bundle: str, answer: dict[str, Any]) -> None:
        """Count an image: an entry of what POST /predict answers. bundle: its SHA-256."""
        bundle = bundle[:DIGITS]
        if "error" in answer:
            self._failed.labels(bundle, answer["error"]["code"]).inc()
            return
        self._answers.labels(bundle, answer["label"], answer["abstain"] or "").inc()
        self._confidence.labels(bundle).observe(answer["probabilities"][answer["label"]])

    def text(self) -> bytes:
        """All of them, in the text format of Prometheus."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, labels: str) -> Counter:
        return Counter(f"thaw_{name}", text, labels.split(), registry=self._registry)

    def _histogram(
        self, name: str, text: str, labels: str, buckets: tuple[float, ...]
    ) -> Histogram:
        return Histogram(
            f"thaw_{name}", text, labels.split(), buckets=buckets, registry=self._registry
        )
