"""What both engines promise (law 5): one suite, run on SQLite and on PostgreSQL."""

import asyncio
import gc
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from clarion.store import Store, owners, rows
from clarion.store.engine import open_store
from clarion.store.errors import Unavailable, UnsupportedUrl
from clarion.store.interface import interactive
from clarion.wiring.machine import SystemTimer

MakeStore = Callable[..., Any]
Outside = Callable[[str], list[tuple[Any, ...]]]

LIMIT_S = 30


def put(connection: Connection, name: str, value: int) -> None:
    rows.all(connection, "INSERT INTO sequences (name, value) VALUES (:name, :value)", name=name, value=value)


def get(connection: Connection, name: str) -> int | None:
    found = rows.one(connection, "SELECT value FROM sequences WHERE name = :name", name=name)
    return None if found is None else found[0]


def add(connection: Connection, name: str, by: int = 1) -> int:
    """Reads, then writes: what is lost if two do it at once."""
    (value,) = rows.one(connection, f"SELECT value FROM sequences WHERE name = :name{rows.for_update(connection)}", name=name)
    rows.all(connection, "UPDATE sequences SET value = :value WHERE name = :name", name=name, value=value + by)
    return value + by


async def test_a_write_returns_what_its_function_returned_and_is_seen(store: Store) -> None:
    assert await store.write(add, "message", by=5) == 5
    assert await store.read(get, "message") == 5


async def test_what_a_function_raised_reaches_its_caller_and_nothing_of_it_is_kept(store: Store) -> None:
    def fails(connection: Connection) -> None:
        put(connection, "half", 1)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await store.write(fails)
    assert await store.read(get, "half") is None


async def test_a_violated_constraint_is_an_integrity_error(store: Store) -> None:
    await store.write(put, "one", 1)
    with pytest.raises(IntegrityError) as refused:
        await store.write(put, "one", 424242)
    assert "424242" not in str(refused.value), "errors are logged, and parameters are people's numbers and texts"
    assert await store.read(get, "one") == 1


async def test_one_that_fails_takes_nobody_along(counter: Store) -> None:
    def fails(connection: Connection) -> None:
        add(connection, "counter", 1000)
        raise ValueError("alone")

    writes = [counter.write(fails) if number == 17 else counter.write(add, "counter") for number in range(40)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    assert [str(error) for error in failed] == ["alone"]
    assert sorted(result for result in results if isinstance(result, int)) == list(range(1, 40))
    assert await counter.read(get, "counter") == 39


async def test_stop_iteration_reaches_the_caller_as_an_error(store: Store) -> None:
    def fails(connection: Connection) -> object:
        return next(iter(()))

    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await store.write(fails)


async def test_a_cancelled_caller_does_not_cut_its_write(counter: Store) -> None:
    begun = threading.Event()

    def slow(connection: Connection) -> None:
        begun.set()
        time.sleep(0.05)
        add(connection, "counter")

    caller = asyncio.ensure_future(counter.write(slow))
    while not begun.is_set():
        await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await until(lambda: counter.read(get, "counter"), 1)


async def test_a_caller_cancelled_before_its_turn_does_not_cut_its_write_either(counter: Store) -> None:
    callers = [asyncio.ensure_future(counter.write(add, "counter")) for _ in range(30)]
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    await until(lambda: counter.read(get, "counter"), 30)


async def test_a_read_stays_on_its_snapshot(counter: Store, outside: Outside) -> None:
    def twice(connection: Connection) -> tuple[int | None, int | None]:
        before = get(connection, "counter")
        outside("UPDATE sequences SET value = 9 WHERE name = 'counter'")
        return before, get(connection, "counter")

    assert await counter.read(twice) == (0, 0)
    assert await counter.read(get, "counter") == 9


async def test_a_read_cannot_write(store: Store) -> None:
    with pytest.raises(DBAPIError):
        await store.read(put, "sneaked", 1)
    assert await store.read(get, "sneaked") is None
    assert await store.write(add, "message") == 1


async def test_reads_go_on_while_a_write_is_held_up(counter: Store, outside: Outside) -> None:
    inside = threading.Event()
    seen = threading.Event()

    def held(connection: Connection) -> None:
        add(connection, "counter")
        inside.set()
        if connection.dialect.name == "sqlite":
            assert seen.wait(LIMIT_S)
        else:
            rows.all(connection, "SELECT pg_sleep(0.1)")

    writing = asyncio.ensure_future(counter.write(held))
    while not inside.is_set():
        await asyncio.sleep(0)
    assert await counter.read(get, "counter") == 0
    seen.set()
    await writing
    assert await counter.read(get, "counter") == 1


async def test_interactive_writes_go_before_the_others(store: Store) -> None:
    order: list[str] = []
    submitted = threading.Event()

    def blocks(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            assert submitted.wait(LIMIT_S)
        else:
            rows.all(connection, "SELECT pg_sleep(0.05)")

    def ordinary(connection: Connection) -> None:
        order.append("ordinary")

    @interactive
    def urgent(connection: Connection) -> None:
        order.append("urgent")

    writes = [asyncio.ensure_future(store.write(function)) for function in [blocks] * 8 + [ordinary] * 3 + [urgent]]
    await asyncio.sleep(0)
    submitted.set()
    await asyncio.gather(*writes)
    assert order == ["urgent", "ordinary", "ordinary", "ordinary"]


async def test_closing_finishes_what_was_begun(make_store: MakeStore) -> None:
    store, other = await make_store(), await make_store()
    await store.write(put, "counter", 0)
    writes = [asyncio.ensure_future(store.write(add, "counter")) for _ in range(100)]
    await asyncio.sleep(0)
    await store.close()
    assert await other.read(get, "counter") == 100
    assert sorted(await asyncio.gather(*writes)) == list(range(1, 101))
    await store.close()


async def test_a_closed_store_refuses_and_leaves_nothing_unawaited(make_store: MakeStore) -> None:
    store = await make_store()
    await store.close()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(Unavailable, match="closed"):
            await store.write(add, "counter")
        with pytest.raises(Unavailable, match="closed"):
            await store.read(get, "counter")
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
    await store.close()


async def test_two_stores_on_one_database_lose_nothing(make_store: MakeStore) -> None:
    stores = [await make_store() for _ in range(3)]
    await stores[0].write(put, "counter", 0)
    await asyncio.gather(*(store.write(add, "counter") for store in stores for _ in range(40)))
    assert await stores[0].read(get, "counter") == 120


async def test_writes_are_counted(store: Store) -> None:
    before = (store.stats.commits, store.stats.functions)
    await asyncio.gather(*(store.write(add, "message") for _ in range(20)))
    assert store.stats.functions - before[1] == 20
    assert 1 <= store.stats.commits - before[0] <= 20
    assert 0 < store.stats.longest_hold_ms <= store.stats.held_s * 1000


async def test_owners_have_numbers_of_their_own(make_store: MakeStore) -> None:
    first, second, neither = await make_store(owner=True), await make_store(owner=True), await make_store()
    assert 0 < first.owner < second.owner
    assert neither.owner == 0


async def test_an_owner_that_has_gone_is_told_from_those_that_live(make_store: MakeStore, database_url: str) -> None:
    first, second = await make_store(owner=True), await make_store(owner=True)
    known = [first.owner, second.owner, 4711]
    alone = [second.owner, 4711] if database_url.startswith("sqlite") else [4711]
    assert await first.write(owners.gone_owners, known, first.owner) == alone
    await second.close()
    assert await first.write(owners.gone_owners, known, first.owner) == [second.owner, 4711]
    assert await first.write(owners.gone_owners, []) == []


async def test_leases_have_the_clock_of_the_database(store: Store) -> None:
    before = await store.read(owners.engine_now)
    await asyncio.sleep(0.005)
    assert await store.read(owners.engine_now) > before
    assert abs(before / 1_000_000 - time.time()) < 3600


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "sqlite:///:memory:", "nonsense"])
async def test_a_url_without_an_engine_is_refused_with_the_right_form(url: str) -> None:
    with pytest.raises(UnsupportedUrl, match="sqlite:///path"):
        await open_store(url, SystemTimer())


async def until(read: Callable[[], Any], wanted: object) -> None:
    async with asyncio.timeout(LIMIT_S):
        while await read() != wanted:
            await asyncio.sleep(0.005)


async def test_nobody_complains_of_an_error_whose_caller_is_gone(store: Store) -> None:
    """As at a stop: stages are cancelled, and what they had asked for fails."""
    loop, complaints, begun = asyncio.get_running_loop(), [], []
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))

    def fail(_connection: Connection) -> None:
        begun.append(True)
        raise LookupError("nobody hears this")

    for ask in (store.write, store.read):
        caller = asyncio.create_task(ask(fail))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
    async with asyncio.timeout(30):
        while len(begun) < 2:
            await asyncio.sleep(0.01)
    await store.close()
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
