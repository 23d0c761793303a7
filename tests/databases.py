"""PostgreSQL databases for tests: made of a template, and emptied between one test and the next.

A new database is 300 files, which take half a second of processor time; to empty one takes a tenth of that.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg

AT_HAND = 2
"""One that a test has, and one that is emptied meanwhile."""

PAGES_KEPT = 32
"""A table that grew beyond this is given back to the disk: what is deleted in it would be read again and again."""

_SHAPE = (
    "SELECT (SELECT sum(oid::bigint) FROM pg_class WHERE relkind IN ('r', 'i', 'S', 'v')), (SELECT count(*) FROM pg_attribute),"
    " (SELECT sum(oid::bigint) FROM pg_constraint), (SELECT sum(oid::bigint) FROM pg_proc), (SELECT sum(oid::bigint) FROM pg_trigger),"
    " (SELECT count(*) FROM pg_db_role_setting)"
)
_WRITTEN = (
    "SELECT relname, pg_relation_size(oid) / 8192 AS pages FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0"
)
_OTHERS_OUT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_NUMBERS_ANEW = "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence WHERE pg_sequence_last_value(seqrelid) IS NOT NULL"

_numbers = itertools.count(1)


class Databases:
    """Migrated databases, one after the other; what a test leaves behind is cleared away while the next one runs."""

    def __init__(self, server: Any, template: str) -> None:
        self._server = server
        self._template = template
        self._worker = ThreadPoolExecutor(1)
        self._clean = [self._worker.submit(self._create) for _ in range(AT_HAND)]
        self._rows: Mapping[str, list[Any]] = {}
        self._shape: Any = None

    def take(self) -> str:
        """The name of a database with nothing in it but what the migrations put there."""
        return self._clean.pop(0).result()

    def url(self, name: str) -> str:
        """Where it is."""
        return str(self._server.get_uri(name))

    def give_back(self, name: str) -> None:
        """Whoever is still connected is thrown out."""
        self._clean.append(self._worker.submit(self._emptied, name))

    def close(self) -> None:
        """Wait for what was begun. Raises what it met with."""
        self._worker.shutdown()
        for database in self._clean:
            database.result()

    def _create(self) -> str:
        name = f"clarion_{next(_numbers)}"
        asyncio.run(administer(self._server, f"CREATE DATABASE {name} TEMPLATE {self._template}"))
        if self._shape is None:
            asyncio.run(self._remember(name))
        return name

    async def _remember(self, name: str) -> None:
        async with connected(self.url(name)) as connection:
            self._shape = await connection.fetchrow(_SHAPE)
            tables = [table for table, _ in await connection.fetch(_WRITTEN)]
            self._rows = {table: [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table}")] for table in tables}

    def _emptied(self, name: str) -> str:
        """The same one, or another where a test has changed more than rows."""
        if asyncio.run(self._empty(name)):
            return name
        asyncio.run(administer(self._server, f"DROP DATABASE {name} WITH (FORCE)"))
        return self._create()

    async def _empty(self, name: str) -> bool:
        async with connected(self.url(name)) as connection:
            await connection.execute(_OTHERS_OUT)
            if await connection.fetchrow(_SHAPE) != self._shape:
                return False
            # Without foreign keys, which want an order.
            await connection.execute("SET session_replication_role = replica")
            written = await connection.fetch(_WRITTEN)
            await connection.execute(";".join(f"DELETE FROM {table}" for table, _ in written))
            for table, pages in written:
                if pages > PAGES_KEPT:
                    await connection.execute(f"VACUUM {table}")
            await connection.execute(_NUMBERS_ANEW)
            for table, found in self._rows.items():
                await connection.copy_records_to_table(table, records=found)
        return True


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """A connection of the driver's."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def administer(server: Any, statement: str) -> None:
    """Run a statement in the server's own database."""
    async with connected(server.get_uri()) as connection:
        await connection.execute(statement)


def run(work: Coroutine[Any, Any, Any]) -> None:
    """In a thread, so that fixtures serve tests of both kinds, whatever loop they run in."""
    with ThreadPoolExecutor(1) as executor:
        executor.submit(asyncio.run, work).result()


@contextlib.contextmanager
def fresh_database(server: Any, template: str) -> Iterator[str]:
    """A database of its own on that server, dropped at the end whoever is still connected."""
    name = f"clarion_{next(_numbers)}"
    run(administer(server, f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield server.get_uri(name)
    finally:
        run(administer(server, f"DROP DATABASE {name} WITH (FORCE)"))
