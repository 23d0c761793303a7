"""What a simulator does later: things to do at a time, in the order of their times."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

from clarion.carriers.smpp.connect import any_within
from clarion.core.clock import Timer

IDLE_S = 60.0
"""How long the schedule sleeps with nothing to do; whatever is added wakes it."""


class Schedule:
    """Calls functions on the event loop when their time has come, those of one time in the order of adding."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._wake: asyncio.Future[None] | None = None

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Call `action` in `delay_s` seconds, or at once if it is nothing."""
        if delay_s <= 0:
            action()
            return
        due_at = self._timer.monotonic() + delay_s
        heapq.heappush(self._due, (due_at, next(self._numbers), action))
        if self._wake is not None and self._due[0][0] == due_at and not self._wake.done():
            self._wake.set_result(None)

    async def run(self) -> None:
        """Do what is due, until cancelled."""
        while True:
            now = self._timer.monotonic()
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()
            self._wake = asyncio.get_running_loop().create_future()
            await any_within(self._due[0][0] - now if self._due else IDLE_S, self._timer, self._wake)
