"""The figures of the report: what each is called, its unit, and what it has to reach."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Target(NamedTuple):
    """At least or at most so much."""

    least: bool
    value: float

    def is_met(self, value: float) -> bool:
        """Whether this is good enough."""
        return value >= self.value if self.least else value <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.value:,g}"


class Figure(NamedTuple):
    """A row of the report. `key` is what the scenarios call it."""

    key: str
    title: str
    unit: str
    digits: int = 0
    target: Target | None = None

    def show(self, value: float) -> str:
        """The number as the report prints it."""
        return f"{value:,.{self.digits}f}"


def at_least(value: float) -> Target:
    """More is better."""
    return Target(True, value)


def at_most(value: float) -> Target:
    """Less is better."""
    return Target(False, value)


GROUPS: dict[str, Sequence[Figure]] = {
    "The simulated SMSC, without a database": (
        Figure("ceiling", "submits answered to a probe that does nothing else", "/s", 0, at_least(100_000)),
        Figure("client", "our client, one bind of window 200, every receipt acknowledged", "/s"),
    ),
    "End to end, SQLite with synchronous=FULL": (
        Figure("road_rate", "messages", "/s", 0, at_least(35_000)),
        Figure("road_cpu", "CPU of the server for 1,000 messages", "s", 4, at_most(0.028)),
        Figure("road_cpu_loop", "  of these, event loop", "s", 4),
        Figure("road_cpu_writer", "  of these, writer", "s", 4),
        Figure("rss_ratio", "peak memory against 10,000 recipients in a fresh process", "times", 2, at_most(1.3)),
        Figure("road_rss", "peak memory", "MB", 1),
        Figure("road_accept_rate", "recipients accepted meanwhile, one request after the other", "/s"),
        Figure("road_lag_p50", "event loop late, p50", "ms", 1),
        Figure("road_lag_p99", "event loop late, p99", "ms", 1),
        Figure("road_lag_max", "event loop late, longest", "ms", 1),
        Figure("road_held", "writer holds the database, share of the time", "", 2),
        Figure("road_hold_longest", "writer's longest hold", "ms", 1),
        Figure("road_commits", "commits", "", 0),
        Figure("road_writes", "writes in them", "", 0),
        Figure("road_others", "CPU taken by other programs meanwhile", "cores", 2),
    ),
    "Accepting 10,000 recipients over HTTP, quiet server": (
        Figure("accept_cold", "the first request of a fresh server", "ms", 1),
        Figure("accept_p50", "p50", "ms", 1, at_most(75)),
        Figure("accept_p99", "p99", "ms", 1),
    ),
    "Accepting 10,000 recipients with two values each over HTTP, quiet server": (
        Figure("values_cold", "the first request of a fresh server", "ms", 1),
        Figure("values_p50", "p50", "ms", 1, at_most(100)),
        Figure("values_p99", "p99", "ms", 1),
        Figure("values_suppressed_p50", "p50 with 100,000 numbers opted out", "ms", 1),
        Figure("values_suppressed_more", "  that is more by", "%", 1, at_most(15)),
    ),
    "Single sends, 20 a second, while blasts of 100,000 are accepted and sent": (
        Figure("single_answered_p50", "answered, p50", "ms", 1),
        Figure("single_answered_p99", "answered, p99", "ms", 1, at_most(15)),
        Figure("single_answered_max", "answered, longest", "ms", 1),
        Figure("single_wire_p50", "on the wire (the SMSC's log), p50", "ms", 1),
        Figure("single_wire_p99", "on the wire, p99", "ms", 1, at_most(50)),
        Figure("single_wire_max", "on the wire, longest", "ms", 1),
        Figure("single_wave_rate", "the blasts meanwhile, messages", "/s"),
        Figure("single_lag_p99", "event loop late, p99", "ms", 1),
        Figure("single_lag_max", "event loop late, longest", "ms", 1),
        Figure("single_others", "CPU taken by other programs meanwhile", "cores", 2),
    ),
    "A carrier that answers in 50 ms": (Figure("delayed_share", "of window ÷ round trip (one bind of window 200)", "%", 1, at_least(95)),),
    "End to end, PostgreSQL": (
        Figure("postgres_rate", "messages", "/s"),
        Figure("postgres_ratio", "of SQLite's figure", "times", 2, at_least(0.6)),
        Figure("postgres_cpu", "CPU of server and PostgreSQL for 1,000 messages", "s", 4),
        Figure("postgres_cpu_server", "  of these, server", "s", 4),
        Figure("postgres_rss", "peak memory of the server", "MB", 1),
        Figure("postgres_lag_p99", "event loop late, p99", "ms", 1),
        Figure("postgres_lag_max", "event loop late, longest", "ms", 1),
        Figure("postgres_hold_longest", "longest transaction", "ms", 1),
    ),
}


def verdict(figure: Figure, values: Sequence[float]) -> str:
    """`pass` or `fail`, by the median; empty where nothing is to be reached."""
    if figure.target is None:
        return ""
    return "pass" if figure.target.is_met(median(values)) else "fail"
