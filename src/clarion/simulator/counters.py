"""What a simulated SMSC has done since it started, for people, for programs and for Prometheus."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from clarion.carriers.smpp import status

LABELS: Final = {"answers": "status", "receipts": "state", "faults": "fault"}
"""The counters that are many: what tells them apart."""


@dataclass(slots=True)
class Counters:
    """`taken` submits got an id, whether it was told or not. `answers` are those that were written, by status.

    `receipts` are by the state that they tell, each that is to be brought; `receipts_sent` counts those on the wire, again where
    one was brought again. `faults` counts everything that went wrong on purpose, by its name in the plan.
    """

    binds: int = 0
    binds_refused: int = 0
    submits: int = 0
    taken: int = 0
    refused: int = 0
    throttled: int = 0
    receipts_sent: int = 0
    receipts_acknowledged: int = 0
    texts_sent: int = 0
    replies: int = 0
    stops: int = 0
    disconnects: int = 0
    garbage: int = 0
    nacks: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    receipts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, int | dict[str, int]]:
        """Everything by name; what is many is an object of its own, statuses by the specification's names."""
        answers = {status.NAMES.get(code, f"0x{code:08x}"): count for code, count in self.answers.items()}
        named: dict[str, Mapping[str, int]] = {"answers": answers, "receipts": self.receipts, "faults": self.faults}
        return {
            each.name: {name: named[each.name][name] for name in sorted(named[each.name]) if named[each.name][name]}
            if each.name in named
            else getattr(self, each.name)
            for each in fields(self)
        }

    def as_metrics(self) -> bytes:
        """Everything in the text format of Prometheus."""
        registry = CollectorRegistry()
        registry.register(_Metrics(self))
        return generate_latest(registry)


WORDS: Final = {
    "binds": "Binds let in",
    "binds_refused": "Binds refused or left without an answer",
    "submits": "submit_sm received",
    "taken": "Messages taken",
    "refused": "Submits refused for good or for the moment",
    "throttled": "Submits answered with throttling",
    "receipts_sent": "Receipts written, again where they came again",
    "receipts_acknowledged": "Receipts acknowledged",
    "texts_sent": "Texts of phones, by part",
    "replies": "Recipients that replied",
    "stops": "Recipients that opted out by text",
    "disconnects": "Connections broken on purpose",
    "garbage": "Pieces of garbage written",
    "nacks": "generic_nack received",
    "answers": "Answers to submits, by status",
    "receipts": "Receipts, by the state that they tell",
    "faults": "Faults, by their name in the plan",
}


class _Metrics(Collector):
    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        """Read the numbers as they are now."""
        for name, value in self._counters.as_dict().items():
            if isinstance(value, int):
                yield CounterMetricFamily(f"clarion_simulator_{name}", WORDS[name], value=value)
                continue
            family = CounterMetricFamily(f"clarion_simulator_{name}", WORDS[name], labels=[LABELS[name]])
            for label, count in value.items():
                family.add_metric([label], count)
            yield family
