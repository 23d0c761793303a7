"""Rates: true seconds, each organization and counter for itself, and a memory that follows the traffic."""

import math

from hypothesis import given
from hypothesis import strategies as st

from clarion.api.limits import Counter, MemoryLimits, throttled


class HandTimer:
    def __init__(self) -> None:
        self.time = 1000.0

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


BULK = Counter("bulk", 60, 60)
OTHER = Counter("other", 2, 60)


async def test_the_61st_in_a_minute_waits_for_the_first_to_leave_the_span() -> None:
    timer = HandTimer()
    limits = MemoryLimits(timer)
    for _ in range(60):
        assert (await limits.admit(1, BULK)).allowed
        timer.time += 0.5
    admission = await limits.admit(1, BULK)
    assert not admission.allowed
    refusal = throttled(admission)
    assert refusal.headers == {"Retry-After": "30"}
    timer.time += 29.9
    assert not (await limits.admit(1, BULK)).allowed
    timer.time += 0.1
    assert (await limits.admit(1, BULK)).allowed


async def test_organizations_and_counters_are_apart() -> None:
    limits = MemoryLimits(HandTimer())
    for _ in range(2):
        assert (await limits.admit(1, OTHER)).allowed
    assert not (await limits.admit(1, OTHER)).allowed
    assert (await limits.admit(2, OTHER)).allowed
    assert (await limits.admit(1, BULK)).allowed


async def test_windows_that_are_idle_are_dropped() -> None:
    timer = HandTimer()
    limits = MemoryLimits(timer)
    for organization_id in range(1000):
        await limits.admit(organization_id, BULK)
    timer.time += 30
    await limits.admit(0, BULK)
    assert len(limits) == 1000
    timer.time += 31
    await limits.admit(1, BULK)
    assert len(limits) == 2


@given(st.lists(st.floats(0, 20), max_size=60))
async def test_waiting_so_long_as_told_is_enough(pauses: list[float]) -> None:
    timer = HandTimer()
    limits = MemoryLimits(timer)
    for pause in pauses:
        timer.time += pause
        admission = await limits.admit(1, OTHER)
        if not admission.allowed:
            seconds = int(throttled(admission).headers["Retry-After"])
            assert seconds - 1 <= math.ceil(admission.retry_after_s) <= seconds
            timer.time += seconds
            assert (await limits.admit(1, OTHER)).allowed
