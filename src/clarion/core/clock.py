"""What the machine is asked for, as types: nobody below `wiring` reads a clock, sleeps or draws a random number itself.

`Clock` is the calendar and may run fast; `Timer` is always real (law 6 of the design).
"""

from collections.abc import Coroutine
from typing import Any, Protocol
from uuid import UUID

MICROS_PER_SECOND = 1_000_000


class Clock(Protocol):
    """The calendar: schedules, validity, retention."""

    def now(self) -> int:
        """The time in microseconds since 1970-01-01T00:00Z."""
        ...

    @property
    def rate(self) -> float:
        """How many of its seconds go by in a real one."""
        ...


class Timer(Protocol):
    """Real, monotonic time: answer timers, leases, token buckets, polls."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary point."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 gives the event loop one turn."""
        ...


class Ids(Protocol):
    """New public ids and keys."""

    def broadcast(self, now: int) -> UUID:
        """A UUIDv7 whose last 32 bits are zero: those of its messages carry their offset there."""
        ...

    def token(self, characters: int) -> str:
        """Letters and digits from the system's secure source, for keys and request ids."""
        ...


class Random(Protocol):
    """Randomness that need not be secret: jitter and seeded faults."""

    def random(self) -> float:
        """A number of [0, 1)."""
        ...


Job = Coroutine[Any, Any, None]
