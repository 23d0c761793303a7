"""Rates: true seconds, each organization and counter for itself, and a memory that follows the traffic."""

import asyncio
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clarion.api.limits import Counter, MemoryLimits, SharedLimits, throttled
from clarion.store import Store
from clarion.store.request_counts import Counted


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


class CountingStore:
    """Answers as the database would where nobody else asks, and keeps how often it was asked."""

    def __init__(self, timer: HandTimer, limit: int) -> None:
        self.timer = timer
        self.limit = limit
        self.asked = 0

    async def write(self, *_: object) -> Counted:
        self.asked += 1
        self.limit -= 1
        if self.limit >= 0:
            return Counted(allowed=True, remaining=self.limit, free_in_micros=0)
        return Counted(allowed=False, remaining=0, free_in_micros=30_000_000)


async def test_who_was_refused_does_not_ask_the_database_again_before_a_slot_can_be_free() -> None:
    timer = HandTimer()
    store: Any = CountingStore(timer, 2)
    limits = SharedLimits(store, timer)
    admissions = [await limits.admit(1, OTHER) for _ in range(50)]
    assert [each.allowed for each in admissions] == [True, True] + [False] * 48
    assert store.asked == 3
    timer.time += 29
    admission = await limits.admit(1, OTHER)
    assert (admission.allowed, admission.retry_after_s, store.asked) == (False, 1.0, 3)
    timer.time += 1
    store.limit = 1
    assert (await limits.admit(1, OTHER)).allowed
    await limits.admit(2, OTHER)
    assert len(limits) == 1


async def test_several_processes_admit_no_more_than_one_would(store: Store) -> None:
    processes = [SharedLimits(store, HandTimer()) for _ in range(3)]
    counter = Counter("teekrr.sms", 10, 900)
    admissions = await asyncio.gather(*[each.admit(1, counter) for _ in range(10) for each in processes])
    assert sum(each.allowed for each in admissions) == 10
    assert all(0 < each.retry_after_s <= 915 for each in admissions if not each.allowed)
    assert not (await SharedLimits(store, HandTimer()).admit(1, counter)).allowed
    assert (await processes[0].admit(2, counter)).allowed
