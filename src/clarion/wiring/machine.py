"""The machine: the one place that reads its clocks, sleeps, and draws randomness (law 6 of the design)."""

import asyncio
import random
import re
import secrets
import string
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from clarion.core import public_id
from clarion.core.clock import MICROS_PER_SECOND, Clock

CLOCK_FORM = "start=2026-03-28T20:00Z,rate=3600"
"""What CLARION_CLOCK looks like: where the calendar starts, and how many of its seconds go by in a real one."""

RATE_MAX = 1_000_000.0
"""Eleven days a second: beyond it, every poll would step over whole schedules."""

_MICROSECOND = timedelta(microseconds=1)
_ALPHABET = string.ascii_letters + string.digits
_CLOCK = re.compile(r"start=([^,]+)(?:,rate=(\d+(?:\.\d+)?))?", re.ASCII)


class SystemClock:
    """The machine's calendar."""

    rate = 1.0

    def now(self) -> int:
        return time.time_ns() // 1000


class ScaledClock:
    """A calendar that starts at `start` (microseconds UTC) when it is made and runs `rate` times as fast as the real one."""

    def __init__(self, start: int, rate: float) -> None:
        self._start = start
        self.rate = rate
        self._made = time.monotonic()

    def now(self) -> int:
        return self._start + int((time.monotonic() - self._made) * self.rate * MICROS_PER_SECOND)


class SystemTimer:
    """Real, monotonic time."""

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SystemIds:
    """Ids and keys from the system's secure source."""

    def broadcast(self, now: int) -> UUID:
        return public_id.make(now, secrets.randbits(public_id.RANDOM_BITS))

    def token(self, characters: int) -> str:
        return "".join(secrets.choice(_ALPHABET) for _ in range(characters))


class SystemRandom:
    """Randomness that need not be secret; with a seed it repeats."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def random(self) -> float:
        return self._random.random()


def clock_from(text: str | None) -> Clock:
    """The clock that CLARION_CLOCK asks for, the machine's own where it is not set. Raises ValueError with the right form."""
    if not text:
        return SystemClock()
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"CLARION_CLOCK is {text!r}; it must look like {CLOCK_FORM}.")
    try:
        start = datetime.fromisoformat(match[1])
    except ValueError:
        raise ValueError(f"CLARION_CLOCK starts at {match[1]!r}, which is no time; it must look like {CLOCK_FORM}.") from None
    if start.tzinfo is None:
        raise ValueError(f"CLARION_CLOCK starts at {match[1]!r}, which names no zone (Z for UTC); it must look like {CLOCK_FORM}.")
    rate = float(match[2] or 1)
    if not 0 < rate <= RATE_MAX:
        raise ValueError(f"CLARION_CLOCK has the rate {match[2]}; it must be above 0 and at most {RATE_MAX:.0f}.")
    return ScaledClock((start - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND, rate)
