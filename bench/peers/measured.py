"""What a run has measured so far."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from bench.machine import Machine
from bench.peers.gateway import Candidate
from bench.peers.tables import Column, Group

LOOP = "event loop"
WRITER = "writer"


class Part(NamedTuple):
    """A part of the CPU that the road takes on SQLite: the thread, who in it, and the share of the whole, 0 to 1."""

    thread: str
    name: str
    share: float


@dataclass(slots=True)
class Report:
    """A run as far as it has come. `values` by candidate's key and figure, `notes` what went wrong, `absent` who was not measured."""

    machine: Machine
    quick: bool
    rounds: int
    command: str
    candidates: list[Candidate] = field(default_factory=list)
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    shares: list[Part] = field(default_factory=list)
    others_cores: float = 0.0
    took_s: float = 0.0

    def add(self, candidate: Candidate, figures: Mapping[str, float]) -> None:
        """One trial's."""
        own = self.values.setdefault(candidate.key, {})
        for key, value in figures.items():
            own.setdefault(key, []).append(value)

    def figure(self, candidate: str, key: str) -> float | None:
        """The median."""
        found = self.values.get(candidate, {}).get(key)
        return median(found) if found else None

    def rows(self, group: Group) -> list[tuple[Candidate, list[str]]]:
        """Who has figures in this table."""
        shown = [(candidate, [self._show(candidate, column) for column in group.columns]) for candidate in self.candidates]
        return [(candidate, cells) for candidate, cells in shown if any(cells)]

    def _show(self, candidate: Candidate, column: Column) -> str:
        value = self.figure(candidate.key, column.key)
        return "" if value is None else f"{value:,.{column.digits}f}"


def by_thread(parts: Iterable[Part]) -> dict[str, float]:
    """The share of each."""
    found: dict[str, float] = {}
    for part in parts:
        found[part.thread] = found.get(part.thread, 0.0) + part.share
    return found
