"""What `/metrics` tells beside HTTP: binds, doubt, windows, and what the store's writes cost."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from clarion.runtime import Runtime
from clarion.wiring.connections import Connections


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
        labels = ["carrier", "bind"]
        bound = GaugeMetricFamily("clarion_bind_bound", "1 while the bind is bound", labels=labels)
        doubt = GaugeMetricFamily("clarion_bind_doubt_messages", "Messages marked whose outcome is not committed", labels=labels)
        free = GaugeMetricFamily("clarion_bind_window_free", "Places left in the window", labels=labels)
        for connection in self._connections.held:
            of = [connection.carrier.name, str(connection.bind_id)]
            bound.add_metric(of, float(connection.bind.state == "bound"))
            doubt.add_metric(of, connection.dispatcher.doubt)
            free.add_metric(of, connection.bind.free)
        yield from (bound, doubt, free)
        stats = self._runtime.store.stats
        yield CounterMetricFamily("clarion_store_commits", "Transactions committed", value=stats.commits)
        yield CounterMetricFamily("clarion_store_functions", "Writes in them", value=stats.functions)
        yield CounterMetricFamily("clarion_store_held_seconds", "Time from BEGIN to the end of COMMIT", value=stats.held_s)
        yield GaugeMetricFamily("clarion_store_longest_hold_seconds", "The longest of these times", value=stats.longest_hold_ms / 1000)
