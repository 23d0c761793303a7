"""Clarion on SQLite and on PostgreSQL, asked the same as its peers."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from bench import house, load
from bench.house import Carrier, Place
from bench.peers import programs
from bench.peers.gateway import SINGLES, Candidate, Sizes
from bench.processes import Program
from sqlalchemy import Connection

from clarion.runtime import Runtime
from clarion.store import rows
from clarion.store.migrate import migrate
from clarion.wiring.opening import open_runtime

SIZES = Sizes(100_000, 20_000, 10_000)

ORGANIZATIONS = 8
"""Blasts without an end come from them in turn: one may make 60 bulk requests a minute."""

PROGRESS_S = 0.25
"""How often somebody reads the progress by the API: the limit is 300 a minute."""

SQLITE = (
    "`clarion serve` with its defaults, SQLite with `synchronous=FULL`; messages enter by the bulk request of its API, 10,000 recipients "
    "each, one after the other; single sends by its single request; it has no callbacks, so a message counts as finished when its "
    "final state and its charge are committed, and a client reads the progress by the API four times a second meanwhile"
)
POSTGRES = "the same on PostgreSQL with its defaults (`fsync` and `synchronous_commit` on), one database server beside Clarion's process"


def candidates(postgres: Any) -> Sequence[Candidate]:  # noqa: ANN401  (a class of an optional package)
    """On SQLite, and on this PostgreSQL."""
    on_sqlite = Candidate("clarion-sqlite", "Clarion, SQLite", partial(_run, None), SIZES, SQLITE)
    on_postgres = Candidate("clarion-postgres", "Clarion, PostgreSQL", partial(_run, postgres), SIZES, POSTGRES, stores_apart=True)
    return [on_sqlite, on_postgres]


_numbers = count(1)


@asynccontextmanager
async def _run(postgres: Any, folder: Path, smsc_port: int, carrier: Carrier) -> AsyncIterator["Clarion"]:  # noqa: ANN401  (as above)
    place = await place_for(postgres, folder)
    await migrate(place.url)
    async with AsyncExitStack() as stack:
        outside = await stack.enter_async_context(open_runtime(place.url))
        keys = await outside.store.write(house.furnish, outside, smsc_port, carrier, ORGANIZATIONS)
        requests = -(-SIZES.messages // load.REQUEST)
        load.prepare(requests)
        http = await stack.enter_async_context(house.client(None))
        clarion = Clarion(place, outside, http, keys, postgres)
        stack.push_async_callback(clarion.stop)
        await clarion.start()
        yield clarion


async def place_for(postgres: Any, folder: Path) -> Place:  # noqa: ANN401  (as above)
    """A database of its own."""
    if postgres is None:
        return Place(folder)
    name = f"peers_{next(_numbers)}"
    connection = await asyncpg.connect(postgres.get_uri())
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return Place(folder, postgres.get_uri(name), postgres.get_pid())


@dataclass
class Clarion:
    """A server of ours, and the database beside it."""

    place: Place
    outside: Runtime
    http: aiohttp.ClientSession
    keys: tuple[str, ...]
    postgres: Any
    server: list[Program] = field(default_factory=list)
    reading: asyncio.Task[None] | None = None

    def pids(self) -> list[int]:
        own = [server.process.pid for server in self.server]
        return own if self.postgres is None else [*own, self.postgres.get_pid()]

    async def start(self) -> None:
        """Bound."""
        self.server = [await house.start_server(self.place)]
        await self.http.close()
        self.http = house.client(json.loads(self.server[0].line)["url"])
        await house.until_ready(self.http)

    async def stop(self) -> None:
        """In order."""
        self._read_no_more()
        for server in self.server:
            await server.stop()
        await self.http.close()

    async def send(self, messages: int) -> None:
        full, rest = divmod(messages, load.REQUEST)
        for number, size in enumerate([load.REQUEST] * full + [rest] * bool(rest)):
            _, campaign = await load.send_bulk(self.http, self.keys[0], number, size)
            if self.reading is None:
                self.reading = asyncio.create_task(self._read_progress(campaign))

    def _read_no_more(self) -> None:
        if self.reading is not None:
            self.reading.cancel()
            self.reading = None

    async def _read_progress(self, campaign: str) -> None:
        while True:
            await load.read_status(self.http, self.keys[0], campaign)
            await asyncio.sleep(PROGRESS_S)

    async def send_without_end(self, ahead: int) -> None:
        for number in count():
            key = self.keys[number // 10 % len(self.keys)]
            await load.send_bulk(self.http, key, number % 100)
            while (number + 1) * load.REQUEST - await self.finished() > ahead:
                await asyncio.sleep(0.05)

    async def send_single(self, number: int) -> float:
        return await load.send_single(self.http, self.keys[0], SINGLES + number, load.TEXT)

    async def finished(self) -> int:
        return (await self.outside.store.read(house.read_progress)).final

    async def kill(self, *, everything: bool) -> None:
        self._read_no_more()
        victims = [server.process for server in self.server]
        if everything and self.postgres is not None:
            programs.kill_families(self.pids())
            await programs.gone(self.postgres.get_pid())
        await programs.kill(victims)
        self.server.clear()

    async def restart(self) -> None:
        if self.postgres is not None:
            await asyncio.to_thread(self.postgres.ensure_postgres_running)
        await self.start()

    async def unknown(self) -> int:
        return await self.outside.store.read(_unknown)


def _unknown(connection: Connection) -> int:
    return int(rows.all(connection, "SELECT count(*) FROM deliveries WHERE state = 'unknown'")[0][0])
