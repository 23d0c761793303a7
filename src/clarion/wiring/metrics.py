"""What `/metrics` tells beside HTTP: the binds of every carrier, and what the store's writes cost.

`FAMILIES` is all that is told, HTTP included: docs/metrics.md is made of it, and a test holds both against what a server says.
"""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from clarion.api.metrics import HTTP_FAMILIES, Family
from clarion.carriers.meter import BUCKETS_S, Meter
from clarion.core.routes import Health
from clarion.runtime import Runtime
from clarion.wiring.connection import Connection
from clarion.wiring.connections import Connections

BIND = ("carrier", "bind")
"""A carrier's name, and which of its binds, from 0: no more series than are configured."""

GAUGES = {
    "clarion_bind_bound": Family("gauge", BIND, "1 while the bind is bound"),
    "clarion_bind_window_submits": Family("gauge", BIND, "How many submits the carrier may have unanswered"),
    "clarion_bind_unanswered_submits": Family("gauge", BIND, "Submits given to the carrier and not answered: the window in use"),
    "clarion_bind_window_free": Family("gauge", BIND, "Places left in the window; 0 unless bound"),
    "clarion_bind_doubt_messages": Family("gauge", BIND, "Messages marked whose outcome is not committed; at most twice the window"),
    "clarion_bind_rate_limit": Family("gauge", BIND, "Segments a second that the carrier takes, over all its binds; 0: no limit"),
}
HEALTH = {
    "clarion_carrier_well": Family("gauge", ("carrier",), "1 while the carrier is well, 0.5 while it is being probed, 0 while it is out"),
}
WELL = {Health.WELL: 1.0, Health.PROBING: 0.5, Health.OUT: 0.0}
COUNTERS = {
    "clarion_bind_submits": Family("counter", BIND, "Submits given to the carrier: parts, not messages, and each try of them"),
    "clarion_bind_answers": Family(
        "counter",
        (*BIND, "status"),
        "Submits by how they were answered: the status' name (ESME_ROK), its number where it has none, `none` without an answer, `not_sent`"
        " for what no PDU can carry, `other` beyond 64 of them",
    ),
    "clarion_bind_receipts": Family(
        "counter",
        (*BIND, "state"),
        "Receipts: delivered, undelivered, intermediate, or unknown: the carrier's UNKNOWN, and words that nobody knows",
    ),
    "clarion_bind_texts": Family("counter", BIND, "Inbound texts, or parts of them"),
    "clarion_bind_connects": Family("counter", BIND, "Times that it was bound; all but the first are reconnects"),
    "clarion_bind_losses": Family("counter", BIND, "Times that it was bound and its connection was lost"),
    "clarion_bind_refusals": Family("counter", BIND, "Times that the carrier refused to be bound"),
}
ROUND_TRIP = "clarion_bind_round_trip_seconds"
HISTOGRAMS = {ROUND_TRIP: Family("histogram", BIND, "From a submit to its answer, of one submit at a time")}
STORE = {
    "clarion_store_commits": Family("counter", (), "Transactions committed"),
    "clarion_store_functions": Family("counter", (), "Writes in them"),
    "clarion_store_held_seconds": Family("counter", (), "Time from BEGIN to the end of COMMIT"),
    "clarion_store_longest_hold_seconds": Family("gauge", (), "The longest of these times"),
    "clarion_store_blocked": Family("gauge", (), "1 while the database takes no writes"),
}
FAMILIES = {**HEALTH, **GAUGES, **COUNTERS, **HISTOGRAMS, **STORE, **HTTP_FAMILIES}


def make_registry(runtime: Runtime, connections: Connections) -> CollectorRegistry:
    """A registry of this server's own."""
    registry = CollectorRegistry()
    registry.register(_Road(runtime, connections))
    return registry


class _Road(Collector):
    def __init__(self, runtime: Runtime, connections: Connections) -> None:
        self._runtime = runtime
        self._connections = connections

    def collect(self) -> Iterator[Metric]:
        """Read the numbers as they are now."""
        families = {name: _family(name) for name in (*HEALTH, *GAUGES, *COUNTERS)}
        for carrier, health in self._connections.health.items():
            families["clarion_carrier_well"].add_metric([carrier], WELL[health])
        for connection in self._connections.held:
            labels = [connection.carrier.name, str(connection.meter.slot)]
            for name, value in _state(connection).items():
                families[name].add_metric(labels, value)
        histogram = HistogramMetricFamily(ROUND_TRIP, HISTOGRAMS[ROUND_TRIP].help, labels=BIND)
        for meter in self._connections.meters:
            _count(families, meter)
            bounds = [f"{bound:g}" for bound in BUCKETS_S] + ["+Inf"]
            buckets = list(zip(bounds, map(float, accumulate(meter.round_trips)), strict=True))
            histogram.add_metric([meter.carrier, str(meter.slot)], buckets, meter.round_trips_s)
        yield from families.values()
        yield histogram
        yield from self._of_store()

    def _of_store(self) -> Iterator[Metric]:
        stats = self._runtime.store.stats
        values = {
            "clarion_store_commits": stats.commits,
            "clarion_store_functions": stats.functions,
            "clarion_store_held_seconds": stats.held_s,
            "clarion_store_longest_hold_seconds": stats.longest_hold_ms / 1000,
            "clarion_store_blocked": stats.blocked is not None,
        }
        for name, value in values.items():
            family = _family(name)
            family.add_metric((), float(value))
            yield family


def _family(name: str) -> CounterMetricFamily | GaugeMetricFamily:
    kind, labels, told = FAMILIES[name]
    return CounterMetricFamily(name, told, labels=labels) if kind == "counter" else GaugeMetricFamily(name, told, labels=labels)


def _state(connection: Connection) -> dict[str, float]:
    bind = connection.bind
    return {
        "clarion_bind_bound": bind.state == "bound",
        "clarion_bind_window_submits": bind.window,
        "clarion_bind_unanswered_submits": bind.unanswered,
        "clarion_bind_window_free": bind.free,
        "clarion_bind_doubt_messages": connection.dispatcher.doubt,
        "clarion_bind_rate_limit": bind.settings.rate_per_second,
    }


def _count(families: dict[str, CounterMetricFamily | GaugeMetricFamily], meter: Meter) -> None:
    labels = [meter.carrier, str(meter.slot)]
    plain = {
        "clarion_bind_submits": meter.submits,
        "clarion_bind_texts": meter.texts,
        "clarion_bind_connects": meter.connects,
        "clarion_bind_losses": meter.losses,
        "clarion_bind_refusals": meter.refusals,
    }
    for name, value in plain.items():
        families[name].add_metric(labels, value)
    for status, count in meter.answers.items():
        families["clarion_bind_answers"].add_metric([*labels, status], count)
    for state, count in meter.receipts.items():
        families["clarion_bind_receipts"].add_metric([*labels, state], count)
