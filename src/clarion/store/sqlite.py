"""One SQLite file: a writer thread that commits in groups, a few reader threads on snapshots, and the lock on the data folder."""

import asyncio
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from clarion.core.clock import Timer
from clarion.store import binds
from clarion.store.errors import FolderInUse, Unavailable
from clarion.store.interface import P, Stats, T, Transaction, is_interactive
from clarion.store.writer import Job, Writer

READERS = 4
"""Reads are short; more threads would only wait for the interpreter."""

STATEMENTS = 1024
"""Prepared statements that each connection keeps: all texts of the store in all their blocks."""

PRAGMAS = {
    "synchronous": "FULL",
    "foreign_keys": "ON",
    "temp_store": "MEMORY",
    # About 1.6 MB: a checkpoint stalls the writer, and the longest stalls are what a single send waits for behind a blast.
    "wal_autocheckpoint": "400",
    # After a checkpoint that a long reader held up, the file shrinks to this.
    "journal_size_limit": str(64 * 1024 * 1024),
}

RESTORE = "stop the server and restore a backup (README, Backup and restore)."

SENTENCES = {
    sqlite3.SQLITE_BUSY: "The database is locked by another process.",
    sqlite3.SQLITE_LOCKED: "The database is locked by another process.",
    sqlite3.SQLITE_PROTOCOL: "The database is locked by another process.",
    sqlite3.SQLITE_READONLY: "The database cannot be written: its file, folder or disk is read-only.",
    sqlite3.SQLITE_IOERR: "The disk of the database reports an error.",
    sqlite3.SQLITE_FULL: "The disk of the database is full.",
    sqlite3.SQLITE_CANTOPEN: "The database file cannot be opened.",
    sqlite3.SQLITE_NOTADB: f"The database file is damaged or no database at all: {RESTORE}",
    sqlite3.SQLITE_CORRUPT: f"The database file is damaged: {RESTORE}",
}
"""By SQLite's primary result code: what the program did not do, and a person may set right."""


class SqliteStore:
    """The store of one process. Whoever serves locks the folder (`lock_folder`); commands may write beside it."""

    def __init__(self, path: Path, timer: Timer, busy_timeout_ms: int) -> None:
        self.owner = 0
        self.stats = Stats()
        self._loop = asyncio.get_running_loop()
        pragmas = {"busy_timeout": str(busy_timeout_ms)}
        writable = engine(path, begin="BEGIN IMMEDIATE", pragmas=pragmas | {"journal_mode": "WAL"})
        self._writer = Writer(writable, path, timer, self.stats, unavailable, self._settle)
        self._writer.start()
        self._readable = engine(path, begin="BEGIN", pragmas=pragmas | {"query_only": "ON"})
        self._readers = ThreadPoolExecutor(READERS, "clarion-reader")
        self._thread = threading.local()
        self._closed = False
        self._opened: list[sa.Connection] = []

    async def write(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `Store.write`. A cancelled caller only drops its future: the writer goes on."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._writer.submit(Job(function, args, kwargs, future), urgent=is_interactive(function))
        return await future

    async def read(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `Store.read`."""
        if self._closed:
            raise Unavailable("The database is closed.")
        return await self._loop.run_in_executor(self._readers, lambda: self._read(function, *args, **kwargs))

    async def take_ownership(self) -> int:
        """As `Store.take_ownership`; the lock on the data folder proves that every other owner is gone."""
        self.owner = await self.write(binds.next_fence)
        return self.owner

    async def close(self) -> None:
        """As `Store.close`. The last connection to close empties the WAL into the file."""
        self._closed = True
        self._writer.finish()
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        await asyncio.to_thread(self._writer.join)

    def _settle(self, jobs: Sequence[Job]) -> None:
        # One call for the group. A loop that is closed has nobody left who waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_answer, jobs)

    def _read(self, function: Callable[..., T], *args: object, **kwargs: object) -> T:
        try:
            connection: sa.Connection | None = getattr(self._thread, "connection", None)
            if connection is None:
                connection = self._thread.connection = self._readable.connect()
                self._opened.append(connection)
            with connection.begin():
                return function(connection, *args, **kwargs)
        except (sa.exc.DBAPIError, sqlite3.Error) as error:
            passed = unavailable(error)
            # A read that writes is a mistake of ours, however SQLite calls it.
            if passed is None or _code(error) == sqlite3.SQLITE_READONLY:
                raise
            raise passed from error


class FolderLock:
    """Held until `release` or the end of the process, however it ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another process have the folder."""
        os.close(self._descriptor)


def lock_folder(path: str | os.PathLike[str]) -> FolderLock:
    """Take the data folder for this process alone: a lock on `serve.lock`, with the pid in it. Raises `FolderInUse`."""
    folder = Path(path)
    descriptor = os.open(folder / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, 32).strip()
        os.close(descriptor)
        raise FolderInUse(str(folder), int(text) if text.isdigit() else 0) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, b"%d\n" % os.getpid())
    return FolderLock(folder, descriptor)


def is_folder_locked(path: str | os.PathLike[str]) -> bool:
    """Whether a process serves the data folder at this moment. Looking takes the lock for some microseconds: not to be done often."""
    try:
        descriptor = os.open(Path(path) / "serve.lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def engine(path: Path, *, begin: str, pragmas: Mapping[str, str]) -> sa.Engine:
    """An engine whose transactions start with `begin` and whose connections are never pooled.

    The standard library's own BEGIN is off: it would start deferred, and a reading transaction that then writes is refused at once.
    Errors name no parameters: those are people's numbers and texts.
    """

    def connect() -> sqlite3.Connection:
        # Read and write, never create: an empty file beside a mistyped path helps nobody.
        uri = f"file:{quote(os.fspath(path))}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, cached_statements=STATEMENTS, check_same_thread=False)
        for name, value in {**pragmas, **PRAGMAS, **pragmas}.items():
            connection.execute(f"PRAGMA {name} = {value}")
        return connection

    made = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    def on_begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    sa.event.listen(made, "begin", on_begin)
    return made


def unavailable(error: BaseException) -> Unavailable | None:
    """What may pass by itself, as `Unavailable`; None for every other error."""
    sentence = SENTENCES.get(_code(error))
    return Unavailable(sentence) if sentence else None


@contextmanager
def translated() -> Iterator[None]:
    """Raises `Unavailable` where the block meets a database that is locked, full or out of reach."""
    try:
        yield
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        passed = unavailable(error)
        if passed is None:
            raise
        raise passed from error


def _code(error: BaseException) -> int:
    raw = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return int(getattr(raw, "sqlite_errorcode", 0)) & 0xFF


def _answer(jobs: Sequence[Job]) -> None:
    for job in jobs:
        future: asyncio.Future[Any] = job.ticket
        if future.done():
            continue
        if job.error is None:
            future.set_result(job.result)
        elif isinstance(job.error, StopIteration):
            future.set_exception(RuntimeError("The transaction raised StopIteration, which no future can carry."))
        else:
            future.set_exception(job.error)
