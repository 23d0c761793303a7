"""Counting requests in rows: never more than the limit in any window, and a slot at most a sixtieth of the span late."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.conftest import MakeStore

from clarion.store import Store, request_counts, tables
from clarion.store.request_counts import SPAN_MAX_MICROS, STEPS, Counted, count, forget

SPAN = 60_000_000
STEP = SPAN // STEPS
NOW = 1_763_856_000_123_456
LIMIT = 5


@contextmanager
def database() -> Iterator[Connection]:
    engine = sa.create_engine("sqlite://")
    tables.request_counts.create(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def ask(connection: Connection, now: int) -> Counted:
    return count(connection, 1, "bulk", LIMIT, SPAN, now)


@settings(deadline=None)
@given(st.lists(st.integers(0, SPAN // 2), min_size=1, max_size=80))
def test_never_more_than_the_limit_and_not_much_later_than_exact(pauses: list[int]) -> None:
    admitted: list[int] = []
    now = NOW
    with database() as connection:
        for pause in pauses:
            now += pause
            recent = [at for at in admitted if at > now - SPAN]
            nearly_recent = [at for at in admitted if at > now - SPAN - STEP]
            counted = ask(connection, now)
            if counted.allowed:
                assert len(recent) < LIMIT
                assert counted.remaining <= LIMIT - len(recent) - 1
                admitted.append(now)
            else:
                assert len(nearly_recent) >= LIMIT
                assert 0 < counted.free_in_micros <= SPAN + STEP
                assert not ask(connection, now + counted.free_in_micros - 1).allowed
                now += counted.free_in_micros
                assert ask(connection, now).allowed
                admitted.append(now)


def test_a_clock_that_was_set_back_gives_nothing_away_and_a_wild_one_blocks_nobody() -> None:
    with database() as connection:
        for _ in range(LIMIT):
            assert ask(connection, NOW + 10 * STEP).allowed
        assert not ask(connection, NOW).allowed
    with database() as connection:
        for _ in range(LIMIT):
            assert ask(connection, NOW + 1_000 * SPAN).allowed
        assert ask(connection, NOW).allowed


def test_a_limit_that_was_lowered_waits_until_enough_has_gone() -> None:
    with database() as connection:
        for second in range(LIMIT):
            assert ask(connection, NOW + second * STEP).allowed
        counted = count(connection, 1, "bulk", 2, SPAN, NOW + LIMIT * STEP)
        assert not counted.allowed
        later = NOW + LIMIT * STEP + counted.free_in_micros
        assert not count(connection, 1, "bulk", 2, SPAN, later - 1).allowed
        assert count(connection, 1, "bulk", 2, SPAN, later).allowed


@pytest.mark.parametrize("span_micros", [0, STEPS - 1, SPAN_MAX_MICROS + 1])
def test_spans_that_cannot_be_remembered_are_refused(span_micros: int) -> None:
    with database() as connection, pytest.raises(ValueError, match="a span has from"):
        count(connection, 1, "bulk", LIMIT, span_micros, NOW)


async def test_organizations_and_counters_are_apart(store: Store) -> None:
    for _ in range(LIMIT):
        assert (await store.write(count, 1, "bulk", LIMIT, SPAN)).allowed
    assert not (await store.write(count, 1, "bulk", LIMIT, SPAN)).allowed
    assert (await store.write(count, 2, "bulk", LIMIT, SPAN)).allowed
    assert (await store.write(count, 1, "status", LIMIT, SPAN)).allowed


async def test_processes_that_ask_at_once_share_the_limit(make_store: MakeStore) -> None:
    stores = [await make_store(owner=number == 0) for number in range(3)]
    asked = [each.write(count, 1, "bulk", 10, 900_000_000) for _ in range(20) for each in stores]
    answers = await asyncio.gather(*asked)
    assert sum(each.allowed for each in answers) == 10
    assert sorted(each.remaining for each in answers if each.allowed) == list(range(10))


async def test_what_no_window_reaches_is_forgotten_in_slices(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_counts, "SLICE", 2)
    for span in (1, 2, 3, 1 << 60):
        await store.write(put, span)
    assert (await store.write(count, 1, "bulk", LIMIT, SPAN)).allowed
    assert [await store.write(forget) for _ in range(3)] == [2, 2, 0]
    left = sa.select(sa.func.count()).select_from(tables.request_counts)
    assert await store.read(lambda connection: connection.execute(left).scalar_one()) == 1


def put(connection: Connection, span: int) -> None:
    connection.execute(sa.insert(tables.request_counts).values(organization_id=1, counter="bulk", span=span, requests=1))
