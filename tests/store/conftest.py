"""What the tests of the store's engines share: a second hand on the same database, and counters to fight over."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection

from clarion.store import Store, rows
from clarion.store.engine import is_sqlite, sqlite_path

Outside = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def outside(database_url: str) -> Outside:
    """Runs a statement in another connection, and commits it, at once, wherever it is called from."""

    def in_sqlite(statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(sqlite_path(database_url), isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()

    async def in_postgres(statement: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(database_url)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    def run(statement: str) -> list[tuple[Any, ...]]:
        if is_sqlite(database_url):
            return in_sqlite(statement)
        with ThreadPoolExecutor(1) as executor:
            return executor.submit(asyncio.run, in_postgres(statement)).result()

    return run


@pytest.fixture
async def counter(store: Store) -> Store:
    """The store with a sequence `counter` at 0."""
    await store.write(put, "counter", 0)
    return store


def put(connection: Connection, name: str, value: int) -> None:
    rows.all(connection, "INSERT INTO sequences (name, value) VALUES (:name, :value)", name=name, value=value)
