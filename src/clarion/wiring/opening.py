"""Opens the database and what stands around it: for the server, and for commands that work beside a running one."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from clarion.broker import Broker
from clarion.broker.local import LocalBroker
from clarion.core.clock import Timer
from clarion.runtime import Runtime
from clarion.store.engine import is_sqlite, open_store, sqlite_path
from clarion.store.errors import StoreError
from clarion.store.migrate import check
from clarion.wiring.machine import SystemIds, SystemRandom, SystemTimer, clock_from

FILE_NAME = "clarion.db"


class NoDatabase(StoreError):
    """There is nothing where a command looked; only a server makes a database."""


def database_file(data_dir: Path) -> Path:
    """The SQLite file of a data folder."""
    return data_dir / FILE_NAME


def database_url(data_dir: Path, url: str | None) -> str:
    """The URL that was given, else that of the data folder's file."""
    return url or f"sqlite:///{database_file(data_dir)}"


@asynccontextmanager
async def open_database(data_dir: Path, url: str | None) -> AsyncIterator[Runtime]:
    """For a command beside a server: nothing is made or migrated, and no binds can be held.

    Raises `NoDatabase` with the path it looked at, `NewerDatabase`, `OlderDatabase`, `Unavailable`, `UnsupportedUrl`.
    """
    place = require_database(data_dir, url)
    await check(place)
    async with open_runtime(place) as runtime:
        yield runtime


def require_database(data_dir: Path, url: str | None) -> str:
    """The URL of a database that is there, as far as a look at the disk tells. Raises `NoDatabase`, `UnsupportedUrl`."""
    place = database_url(data_dir, url)
    if is_sqlite(place) and not is_there(path := sqlite_path(place)):
        raise NoDatabase(
            f"There is no Clarion database at {path.absolute()}. Name its folder with --data-dir (or CLARION_DATA_DIR), "
            "or start `clarion serve`, which makes one."
        )
    return place


def is_there(file: Path) -> bool:
    """Whether a database's file exists. Raises `NoDatabase` where the disk does not tell: a folder is closed, or a name too long."""
    try:
        return file.exists()
    except OSError as error:
        raise NoDatabase(f"There is no looking for a Clarion database at {file} ({error.strerror}). Name another folder.") from None


@asynccontextmanager
async def open_runtime(url: str, *, owner: bool = False) -> AsyncIterator[Runtime]:
    """A migrated database with the machine's own clock, timer, ids and randomness; CLARION_CLOCK may name another calendar.

    With `owner` the process can hold binds. Raises `Unavailable`, `UnsupportedUrl`, and ValueError for a clock that cannot be read.
    """
    clock = clock_from(os.environ.get("CLARION_CLOCK"))
    timer = SystemTimer()
    store = await open_store(url, timer, owner=owner)
    try:
        broker = await _open_broker(url, timer)
        try:
            yield Runtime(clock, timer, SystemIds(), SystemRandom(), store, broker)
        finally:
            await broker.close()
    finally:
        await store.close()


async def _open_broker(url: str, timer: Timer) -> Broker:
    if is_sqlite(url):
        return LocalBroker()
    # An extra: the driver may be absent.
    from clarion.broker.postgres import open_postgres_broker

    return await open_postgres_broker(url, timer)
