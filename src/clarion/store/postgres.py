"""PostgreSQL through asyncpg: one write is one transaction in a task of its own, tried again where that is safe (law 5)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from clarion.core.clock import Timer
from clarion.store import binds, owners
from clarion.store.errors import Unavailable, UnsupportedUrl
from clarion.store.interface import P, Stats, T, Transaction, is_interactive

try:
    import asyncpg
except ModuleNotFoundError:
    raise UnsupportedUrl("PostgreSQL needs the package asyncpg: pip install 'clarion[postgres]'.") from None

from clarion.store.dedicated import ANSWER_S, DedicatedConnection, dsn

WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"

READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""One snapshot for all that a function reads."""

BY_INDEX = MappingProxyType(
    {f"enable_{way}": "off" for way in ("seqscan", "hashjoin", "mergejoin", "material")} | {"max_parallel_workers_per_gather": "0"}
)
"""What writes look for has an index. A plan is kept as long as its connection: one that was made while a table was small, or had no
statistics yet, would read all of it for each batch when it has grown, and one for a range of unknown length would start processes."""

WRITERS = 8
"""Four already use up two cores; the rest covers waiting for locks and for the disk."""

READERS = 4
"""Kept apart, so that a read never waits for a writer's connection."""

STATEMENTS = 512
"""Prepared statements that each connection keeps: all texts of the store."""

TRIES_CONFLICT = 10
"""Two that deadlock rarely meet again; ten times is a mistake in the order of locks."""

TRIES_LOST = 3
"""After a server's restart every pooled connection is dead: the first failure drops them all, the second try has a fresh one."""

MIGRATION_LOCK = 0x434C_4D49_4752_4154
"""The advisory lock under which one process at a time migrates: "CLMIGRAT"."""

CONFLICTS = frozenset({"40001", "40P01"})
"""serialization_failure and deadlock_detected."""

AWAY = frozenset({"57P01", "57P02", "57P03", "53300", "53100", "53200", "28P01", "28000", "3D000"})
"""Shut down, crashed, starting up; no connection, disk or memory left; and what an operator must mend: wrong user, password, database."""

BROKEN = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises, beside the server's own words, where a connection is closed or about to be."""

AWAY_FOR_WRITES = AWAY | {"25006"}
"""A standby that is not promoted yet takes no writes. In a read it means that the function writes, which is a mistake of ours."""


class PostgresStore:
    """The store of one process among several."""

    def __init__(self, url: str, timer: Timer) -> None:
        self.owner = 0
        self.stats = Stats()
        self._url = url
        self._timer = timer
        self._writers = _Connections(url, WRITERS, BY_INDEX)
        self._readers = _Connections(url, READERS)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lock: DedicatedConnection | None = None
        self._closed = False

    async def write(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `Store.write`. The function's own Python runs on the event loop."""

        async def once() -> T:
            async with self._writers.lent(first=is_interactive(function)) as lent:
                started = self._timer.monotonic()
                result = await lent.run(WRITE, function, *args, **kwargs)
                try:
                    await lent.commit()
                except (asyncpg.PostgresError, *BROKEN) as error:
                    if _is_away(error):
                        raise Unavailable("The database was lost in the middle of a commit: whether it was made is not known.") from error
                    raise
                self.stats.add(1, self._timer.monotonic() - started)
                return result

        return await self._in_task(self._noted(once))

    async def read(self, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `Store.read`. The function's own Python runs on the event loop."""

        async def once() -> T:
            async with self._readers.lent(first=is_interactive(function)) as lent:
                return await lent.run(READ, function, *args, **kwargs)

        return await self._in_task(self._repeated(once, AWAY))

    async def take_ownership(self) -> int:
        """As `Store.take_ownership`: the number's advisory lock is held on a connection of its own as long as the process lives.

        A lost connection comes back and takes the lock again; if others have taken our binds over meanwhile, their fences tell us.
        """
        owner = await self.write(binds.next_fence)

        async def lock(connection: "asyncpg.Connection[Any]") -> None:
            await connection.execute("SELECT pg_advisory_lock($1)", owners.LOCKS + owner)

        self._lock = DedicatedConnection(self._url, self._timer, lock)
        await self._lock.start()
        self.owner = owner
        return owner

    async def close(self) -> None:
        """As `Store.close`."""
        self._closed = True
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._lock is not None:
            await self._lock.close()
        await asyncio.gather(self._writers.close(), self._readers.close())

    async def _noted(self, once: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self._repeated(once, AWAY_FOR_WRITES)
        except Unavailable as error:
            self.stats.blocked = str(error)
            raise

    async def _in_task(self, work: Coroutine[Any, Any, T]) -> T:
        if self._closed:
            work.close()
            raise Unavailable("The database is closed.")
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # A caller that was cancelled does not ask any more, and asyncio would complain of an error that nobody took.
        if not task.cancelled():
            task.exception()

    async def _repeated(self, once: Callable[[], Awaitable[T]], away: frozenset[str]) -> T:
        tries = 0
        while True:
            tries += 1
            try:
                return await once()
            except (DBAPIError, asyncpg.PostgresError, *BROKEN) as error:
                if _is_conflict(error):
                    if tries >= TRIES_CONFLICT:
                        raise
                elif not _is_away(error, away):
                    raise
                elif tries >= TRIES_LOST:
                    raise Unavailable(f"The database cannot be reached: {_words(error)}.") from error
            # Leaves the winner of a deadlock time to end: 2, 4, 8 … ms, at most 128.
            await self._timer.sleep(0.001 * 2 ** min(tries, 7))


class _Lent:
    """A connection for one transaction.

    SQLAlchemy takes it for one that commits by itself: transactions are begun and ended here, so that what goes by the driver alone
    (`rows`) is in them too.
    """

    def __init__(self, connection: AsyncConnection, driver: "asyncpg.Connection[Any]") -> None:
        self.connection = connection
        self.driver = driver

    async def run(self, begin: str, function: Transaction[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's result, in a transaction that is still open."""
        await self.driver.execute(begin)
        return await self.connection.run_sync(function, *args, **kwargs)

    async def commit(self) -> None:
        """End the transaction. Raises RuntimeError if there was nothing left to commit: the function went over an error."""
        if await self.driver.execute("COMMIT") != "COMMIT":
            raise RuntimeError("A statement failed and the function went on: nothing was committed.")


class _Connections:
    """So many connections at a time, in the order of asking, those who come first before the others.

    The last one that was given back is lent first: it has its plans, and few stay busy where little is to do.
    """

    def __init__(self, url: str, most: int, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        self._engine = _engine(url, settings, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._free = most
        self._idle: list[_Lent] = []
        self._first: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def lent(self, *, first: bool) -> AsyncIterator[_Lent]:
        """What is still open at the end is rolled back."""
        await self._turn(first)
        try:
            lent = await self._connection()
            try:
                yield lent
            except Exception as error:
                if _is_lost(error):
                    lent.driver.terminate()
                raise
            finally:
                await self._take_back(lent)
        finally:
            self._pass_on()

    async def close(self) -> None:
        """Let go of all that nobody has."""
        await asyncio.gather(*(lent.connection.close() for lent in self._idle), return_exceptions=True)
        self._idle.clear()

    async def _turn(self, first: bool) -> None:
        if self._free:
            self._free -= 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._first if first else self._others).append(future)
        try:
            await future
        except asyncio.CancelledError:
            if not future.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        for queue in (self._first, self._others):
            while queue:
                future = queue.popleft()
                if not future.done():
                    future.set_result(None)
                    return
        self._free += 1

    async def _connection(self) -> _Lent:
        while self._idle:
            lent = self._idle.pop()
            if not lent.driver.is_closed():
                return lent
            await lent.connection.invalidate()
            await lent.connection.close()
        connection = await self._engine.connect()
        return _Lent(connection, (await connection.get_raw_connection()).driver_connection)

    async def _take_back(self, lent: _Lent) -> None:
        if not lent.driver.is_closed() and lent.driver.is_in_transaction():
            try:
                await lent.driver.execute("ROLLBACK")
            except (asyncpg.PostgresError, *BROKEN):
                lent.driver.terminate()
        if not lent.driver.is_closed():
            self._idle.append(lent)
            return
        # Where one was lost, so are the others, whether they know it yet or not.
        lost, self._idle = [*self._idle, lent], []
        for each in lost:
            each.driver.terminate()
            await each.connection.invalidate()
            await each.connection.close()


async def run_alone(url: str, function: Callable[[sa.Connection], T]) -> T:
    """Run a transaction while no other process runs one by this function: migrations, and looking whether one is needed."""
    engine = _engine(url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            return await connection.run_sync(function)
    except (DBAPIError, asyncpg.PostgresError, OSError) as error:
        if _is_away(error):
            raise Unavailable(f"The database cannot be reached: {_words(error)}.") from error
        raise
    finally:
        await engine.dispose()


def _engine(url: str, settings: Mapping[str, str] = MappingProxyType({}), **options: Any) -> AsyncEngine:  # noqa: ANN401  (whatever SQLAlchemy takes)
    """Its errors name no parameters: those are people's numbers and texts."""
    address = dsn(url)

    def connect() -> Any:  # noqa: ANN401  (SQLAlchemy's adapter, which it does not name)
        dbapi: Any = engine.dialect.dbapi
        # Compiling plans to machine code costs more than these short statements take.
        every = {"application_name": "clarion", "jit": "off", **settings}
        return dbapi.connect(
            async_creator_fn=lambda: asyncpg.connect(
                address,
                timeout=ANSWER_S,
                server_settings=every,
                statement_cache_size=STATEMENTS,
                max_cached_statement_lifetime=0,
            ),
            prepared_statement_cache_size=STATEMENTS,
        )

    engine = create_async_engine("postgresql+asyncpg://", creator=connect, hide_parameters=True, **options)
    return engine


def _is_conflict(error: BaseException) -> bool:
    """Whether nothing was kept and the same again may well succeed."""
    if _state(error) in CONFLICTS:
        return True
    # After a migration each connection finds out once that the plans it has kept are void.
    text = str(_raw(error))
    return "cached statement plan is invalid" in text or "cache lookup failed" in text


def _is_away(error: BaseException, states: frozenset[str] = AWAY) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return _state(error) in states or _is_lost(error)


def _is_lost(error: BaseException) -> bool:
    """Whether the connection is of no use any more."""
    return _state(error).startswith(("08", "57P0")) or isinstance(_raw(error), BROKEN)


def _state(error: BaseException) -> str:
    return getattr(_raw(error), "sqlstate", None) or ""


def _raw(error: BaseException) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _words(error: BaseException) -> str:
    raw = _raw(error)
    return str(raw).rpartition(">: ")[2].strip().rstrip(".") or type(raw).__name__
