"""What is measured of HTTP, by the endpoint's path as it is declared: what callers make up must not grow the metrics."""

from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import Scope

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

BUCKETS_S = (0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)
"""A single send should take under 0.02 s, 10,000 recipients under 0.1."""


class Family(NamedTuple):
    """A metric: `kind` is counter, gauge or histogram; `help` is a sentence without its end."""

    kind: str
    labels: tuple[str, ...]
    help: str


REQUESTS = "clarion_http_requests"
SECONDS = "clarion_http_request_seconds"
HTTP_FAMILIES = {
    REQUESTS: Family(
        "counter", ("method", "path", "status"), "Requests answered; `path` as the endpoint is declared, `none` for no endpoint"
    ),
    SECONDS: Family("histogram", ("path",), "Time until the answer was given"),
}


class HttpMetrics:
    """`clarion_http_requests_total` and `clarion_http_request_seconds`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        requests, seconds = HTTP_FAMILIES[REQUESTS], HTTP_FAMILIES[SECONDS]
        self._requests = Counter(REQUESTS, requests.help, requests.labels, registry=registry)
        self._seconds = Histogram(SECONDS, seconds.help, seconds.labels, buckets=BUCKETS_S, registry=registry)

    def observe(self, method: str, scope: Scope, status: int, duration_s: float) -> None:
        """`scope` is the one that the router has seen."""
        path = getattr(scope.get("route"), "path", "none")
        self._requests.labels(method if method in KNOWN_METHODS else "other", path, status).inc()
        self._seconds.labels(path).observe(duration_s)
