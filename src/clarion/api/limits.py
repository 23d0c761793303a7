"""How often an organization may ask: a sliding window for each of its counters."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from clarion.api.refusals import Code, Refusal
from clarion.core.clock import Timer
from clarion.core.rates import Admission, SlidingWindow


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


def throttled(admission: Admission) -> Refusal:
    """The whole seconds after which a slot is free again: rounded up, or a client that waits so long is refused once more."""
    seconds = max(1, math.ceil(admission.retry_after_s))
    return Refusal(Code.THROTTLED, values={"seconds": seconds}, headers={"Retry-After": str(seconds)})
