"""What SQLite's engine does beyond the common suite: groups, a database out of reach, the WAL, the lock on the folder."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from clarion.store import rows, sqlite, writer
from clarion.store.engine import open_store, sqlite_path
from clarion.store.errors import FolderInUse, Unavailable
from clarion.store.sqlite import lock_folder
from clarion.wiring.machine import SystemTimer

MakeStore = Callable[..., Any]

LIMIT_S = 30


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def bump(connection: Connection) -> int:
    found = rows.one(connection, "UPDATE sequences SET value = value + 1 WHERE name = 'message' RETURNING value")
    return int(found[0])


def value(connection: Connection) -> int:
    return int(rows.one(connection, "SELECT value FROM sequences WHERE name = 'message'")[0])


def fill(connection: Connection, count: int) -> None:
    data = [(number, b"\0" * 4000) for number in range(count)]
    text = (
        "INSERT INTO inbound (carrier_id, recipient, sender, text, data_coding, raw, part, parts, part_reference, received_at)"
        " SELECT id, '', '', '', 0, raw, 1, 1, 0, 0 FROM v WHERE true"
    )
    rows.execute(connection, text, v=({"id": "bigint", "raw": "bytea"}, data))


async def test_what_waits_is_committed_together(make_store: MakeStore) -> None:
    store = await make_store()
    submitted = threading.Event()

    def blocks(connection: Connection) -> None:
        assert submitted.wait(LIMIT_S)

    writes = [asyncio.ensure_future(store.write(function)) for function in [blocks] + [bump] * 50]
    await asyncio.sleep(0)
    submitted.set()
    await asyncio.gather(*writes)
    assert store.stats.functions == 51
    # The first group may be over its 10 ms by the blocking one; nothing but a stalled machine makes more than a few.
    assert store.stats.commits < 25


async def test_what_is_written_just_before_the_close_is_done(make_store: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer has seen that nothing waits, and hears of the end before it looks again."""
    store = await make_store()
    armed, looked, go = threading.Event(), threading.Event(), threading.Event()
    take = writer.Writer._take

    def slowly(self: writer.Writer) -> writer.Job | None:
        job = take(self)
        if job is None and armed.is_set():
            looked.set()
            assert go.wait(LIMIT_S)
        return job

    monkeypatch.setattr(writer.Writer, "_take", slowly)
    armed.set()
    store._writer._bell.set()
    assert await asyncio.to_thread(looked.wait, LIMIT_S)
    write = asyncio.ensure_future(store.write(bump))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.wait_for(write, LIMIT_S) == 1
    await closing


async def test_the_writer_is_durable_and_keeps_references(make_store: MakeStore) -> None:
    store = await make_store()

    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [rows.one(connection, f"PRAGMA {name}")[0] for name in names]

    assert await store.write(pragmas) == ["wal", 2, 1, 5000]


async def test_a_database_locked_by_another_process_is_unavailable_and_work_resumes(make_store: MakeStore, sqlite_url: str) -> None:
    store = await make_store(busy_timeout_ms=50)
    with closing(sqlite3.connect(sqlite_path(sqlite_url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(*(store.write(bump) for _ in range(20)), return_exceptions=True)
        assert {str(result) for result in results} == {"The database is locked by another process."}
        assert {type(result) for result in results} == {Unavailable}
        assert await store.read(value) == 0
        other.execute("ROLLBACK")
    assert await store.write(bump) == 1


async def test_a_full_disk_is_unavailable_for_whom_it_hits_and_work_resumes(make_store: MakeStore) -> None:
    store = await make_store()

    def too_much(connection: Connection) -> None:
        pages = rows.one(connection, "PRAGMA page_count")[0]
        rows.all(connection, f"PRAGMA max_page_count = {pages + 10}")
        fill(connection, 100)

    writes = [store.write(too_much) if number == 5 else store.write(bump) for number in range(10)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [str(result) for result in results if isinstance(result, BaseException)] == ["The disk of the database is full."]
    assert isinstance(results[5], Unavailable)
    assert await store.write(bump) == 10
    await store.write(fill, 100)


async def test_a_read_only_database_is_unavailable_and_work_resumes(make_store: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As SQLite says it of a file, folder or disk that became read-only."""
    with monkeypatch.context() as patch:
        patch.setitem(sqlite.PRAGMAS, "query_only", "ON")
        store = await make_store()
        with pytest.raises(Unavailable, match="its file, folder or disk is read-only"):
            await store.write(bump)
        assert store.stats.blocked == "The database cannot be written: its file, folder or disk is read-only."
        assert await store.read(value) == 0
    assert await store.write(bump) == 1
    assert store.stats.blocked is None


async def test_a_folder_that_is_moved_away_takes_nothing_until_it_is_back(make_store: MakeStore, sqlite_url: str, tmp_path: Path) -> None:
    """At most one commit is in the file wherever that is, and finds it out; the next one is refused instead of written there."""
    folder, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    folder.mkdir()
    shutil.move(sqlite_path(sqlite_url), folder / "clarion.db")
    store = await open_store(f"sqlite:///{folder}/clarion.db", SystemTimer())
    assert await store.write(bump) == 1
    folder.rename(elsewhere)
    # The writer looks after each commit: after the one above, or not before the next.
    taken = 1
    with suppress(Unavailable):
        taken = await store.write(bump)
    assert taken in {1, 2}
    for _ in range(2):
        with pytest.raises(Unavailable, match="cannot be opened"):
            await store.write(bump)
    assert store.stats.blocked == "The database file cannot be opened."
    elsewhere.rename(folder)
    assert await store.write(bump) == taken + 1
    await store.close()


async def test_an_absent_file_is_refused_and_not_made(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/absent.db", SystemTimer())
    for call in (store.write, store.read):
        with pytest.raises(Unavailable, match="cannot be opened"):
            await call(value)
    await store.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_is_damaged_meanwhile_is_refused_with_what_to_do(sqlite_url: str) -> None:
    path = sqlite_path(sqlite_url)
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xaa" * (len(whole) - 8192))
    store = await open_store(sqlite_url, SystemTimer())
    for call, function in ((store.write, bump), (store.read, value)):
        with pytest.raises(Unavailable, match="restore a backup"):
            await call(function)
    await store.close()


async def test_a_wal_that_a_reader_held_up_shrinks_again(make_store: MakeStore, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WAL_BYTES_MAX", 1_000_000)
    monkeypatch.setattr(writer, "TRUNCATE_AGAIN_S", 0.01)
    store = await make_store()
    path = sqlite_path(sqlite_url)
    wal = path.with_name(path.name + "-wal")
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM sequences").fetchall()
        for _ in range(6):
            await store.write(fill, 500)
        assert wal.stat().st_size > 1_000_000
        reader.execute("ROLLBACK")
    async with asyncio.timeout(LIMIT_S):
        while wal.stat().st_size > 1_000_000:
            await store.write(bump)


async def test_the_last_to_close_leaves_one_file(sqlite_url: str, tmp_path: Path) -> None:
    store = await open_store(sqlite_url, SystemTimer())
    await store.write(bump)
    await store.read(value)
    await store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["clarion.db"]


def test_a_data_folder_has_one_server(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path)
    with pytest.raises(FolderInUse, match=f"{tmp_path}.*process {os.getpid()}"):
        lock_folder(tmp_path)
    lock.release()
    lock_folder(tmp_path).release()


def test_a_killed_server_leaves_its_folder_free(tmp_path: Path) -> None:
    program = f"from clarion.store.sqlite import lock_folder\nlock = lock_folder({str(tmp_path)!r})\nprint('held', flush=True)\ninput()"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "held\n"
        with pytest.raises(FolderInUse) as refused:
            lock_folder(tmp_path)
        assert refused.value.pid == server.pid
        server.send_signal(signal.SIGKILL)
    lock_folder(tmp_path).release()


async def test_the_last_write_that_was_not_taken_is_known_until_one_is(make_store: MakeStore) -> None:
    """One that changes nothing does not count: a full disk takes it too."""
    store = await make_store()
    await store.write(bump)
    assert store.stats.blocked is None

    def too_much(connection: Connection) -> None:
        rows.all(connection, f"PRAGMA max_page_count = {rows.one(connection, 'PRAGMA page_count')[0] + 10}")
        fill(connection, 100)

    for _ in range(2):
        with pytest.raises(Unavailable):
            await store.write(too_much)
        assert store.stats.blocked == "The disk of the database is full."
        assert await store.write(value) > 0
        assert store.stats.blocked == "The disk of the database is full."
        await store.write(bump)
        assert store.stats.blocked is None
