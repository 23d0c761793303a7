"""How often an organization may ask: a sliding window for each of its counters."""

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Protocol

from clarion.api.refusals import Code, Refusal
from clarion.core.clock import MICROS_PER_SECOND, Timer
from clarion.core.rates import Admission, SlidingWindow
from clarion.store import Store, request_counts


@dataclass(frozen=True, slots=True)
class Counter:
    """What is counted together: at most `limit` requests of an organization in any `span_s` seconds."""

    name: str
    limit: int
    span_s: float


class RequestLimits(Protocol):
    """Counts the requests of all keys of an organization together, and of all API processes where there are several."""

    async def admit(self, organization_id: int, counter: Counter) -> Admission:
        """Count one request, or say how long to wait."""
        ...


class MemoryLimits:
    """For one API process: SQLite makes that certain."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        # In the order of the last request, so that the idle ones are found at the front and the memory follows the traffic.
        self._windows: OrderedDict[tuple[int, str], SlidingWindow] = OrderedDict()

    async def admit(self, organization_id: int, counter: Counter) -> Admission:
        """Never waits."""
        now = self._timer.monotonic()
        self._drop_idle(now)
        key = (organization_id, counter.name)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = SlidingWindow(counter.limit, counter.span_s)
        self._windows.move_to_end(key)
        return window.admit(now)

    def __len__(self) -> int:
        return len(self._windows)

    def _drop_idle(self, now: float) -> None:
        windows = self._windows
        while windows and next(iter(windows.values())).is_idle(now):
            windows.popitem(last=False)


class SharedLimits:
    """For several API processes on one database: never more than the limit in any span, whichever process was asked.

    A slot comes free up to a sixtieth of the span later than `MemoryLimits` would give it (`store.request_counts`).
    """

    def __init__(self, store: Store, timer: Timer) -> None:
        self._store = store
        self._timer = timer
        self._gates: OrderedDict[tuple[int, str], _Gate] = OrderedDict()

    async def admit(self, organization_id: int, counter: Counter) -> Admission:
        """One short transaction; none while it is known that there is no slot. Raises `Unavailable`."""
        self._drop_idle()
        key = (organization_id, counter.name)
        gate = self._gates.setdefault(key, _Gate())
        self._gates.move_to_end(key)
        # One after the other: a flood of requests of one organization must not hold all writers while they wait for each other.
        async with gate.lock:
            wait_s = gate.closed_until - self._timer.monotonic()
            if wait_s > 0:
                return Admission(allowed=False, remaining=0, retry_after_s=wait_s)
            span_micros = round(counter.span_s * MICROS_PER_SECOND)
            counted = await self._store.write(request_counts.count, organization_id, counter.name, counter.limit, span_micros)
            free_in_s = counted.free_in_micros / MICROS_PER_SECOND
            if not counted.allowed:
                gate.closed_until = self._timer.monotonic() + free_in_s
            return Admission(counted.allowed, counted.remaining, free_in_s)

    def __len__(self) -> int:
        return len(self._gates)

    def _drop_idle(self) -> None:
        gates, now = self._gates, self._timer.monotonic()
        while gates and next(iter(gates.values())).is_idle(now):
            gates.popitem(last=False)


@dataclass(slots=True)
class _Gate:
    """What this process knows of one counter. Slots come free with time alone, so no process needs to ask before `closed_until`."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    closed_until: float = 0.0

    def is_idle(self, now: float) -> bool:
        return not self.lock.locked() and self.closed_until <= now


def throttled(admission: Admission) -> Refusal:
    """The whole seconds after which a slot is free again: rounded up, or a client that waits so long is refused once more."""
    seconds = max(1, math.ceil(admission.retry_after_s))
    return Refusal(Code.THROTTLED, values={"seconds": seconds}, headers={"Retry-After": str(seconds)})
