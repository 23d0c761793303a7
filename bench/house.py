"""A house to measure: a database, what is set up in it, the simulated SMSC and the server, each in a process of its own."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import aiohttp
from bench import processes
from bench.processes import Program
from sqlalchemy import Connection

from clarion.runtime import Runtime
from clarion.store import carriers, money, rows, tenants
from clarion.store.carriers import NewCarrier
from clarion.store.migrate import migrate
from clarion.store.tenants import NewKey, NewOrganization
from clarion.wiring.opening import database_url, open_runtime

PRICE = "1.00"
PRICE_MILLI = 100_000
PURSE_MILLI = 10**13

MEMORY = Path("/dev/shm")
"""Where the SMSC's log lies, if this is there: on the disk of the database its writes would hold up the commits that are measured."""

PATIENCE_S = 120.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Place:
    """Where a house stands: a folder of its own, and for PostgreSQL a database and the pid of its server."""

    folder: Path
    postgres_url: str | None = None
    postgres_pid: int | None = None

    @property
    def url(self) -> str:
        """The database."""
        return database_url(self.folder, self.postgres_url)


@dataclass(frozen=True, slots=True)
class Carrier:
    """How the SMSC behaves and how it is reached."""

    window: int = 200
    binds: int = 2
    answer_delay_ms: int = 0
    log: bool = False
    """Whether the SMSC writes down when it got what."""


class Progress(NamedTuple):
    """Messages with an outcome, those of them in final states, and thousandths charged."""

    ended: int
    final: int
    charged_milli: int


@dataclass(frozen=True, slots=True)
class House:
    """All that a scenario needs. `keys` belong to as many organizations, each with money for anything."""

    place: Place
    server: Program
    smsc: Program
    http: aiohttp.ClientSession
    keys: tuple[str, ...]
    outside: Runtime
    """The database, opened by this process beside the server."""

    threads: dict[str, int]
    log_file: Path
    """What the SMSC was given, if it writes that down."""

    @property
    def lag_file(self) -> Path:
        """Complete once the server has ended."""
        return self.place.folder / "lag"

    async def progress(self) -> Progress:
        """Where all messages stand, as somebody who watches reads it."""
        return await self.outside.store.read(read_progress)

    async def until_final(self, messages: int) -> None:
        """Wait until so many messages are final. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self.progress()).final < messages:
                await asyncio.sleep(POLL_S)

    async def suppress(self, numbers: int, organizations: range) -> None:
        """Let so many others have opted out from these organizations, counted from 0 as their keys are."""
        await self.outside.store.write(_suppress, numbers, organizations)

    def others_cpu_s(self) -> float:
        """What all programs took that are no part of the measurement; of short times only about, since the kernel counts in ticks."""
        ours = self.server.usage.cpu_s + self.smsc.usage.cpu_s + processes.usage(os.getpid()).cpu_s
        postgres = processes.family_cpu_s(self.place.postgres_pid) if self.place.postgres_pid else 0.0
        return processes.machine_cpu_s() - ours - postgres

    async def metric(self, name: str) -> float:
        """One number of `/metrics`."""
        async with self.http.get("/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return next((float(line.split()[1]) for line in lines if line.startswith(name + " ")), 0.0)


@asynccontextmanager
async def house(place: Place, carrier: Carrier, *, organizations: int = 1, profile: Path | None = None) -> AsyncIterator[House]:
    """Built, bound, and taken down again; the server has to end well."""
    place.folder.mkdir(parents=True, exist_ok=True)
    await migrate(place.url)
    async with AsyncExitStack() as stack:
        log_folder = stack.enter_context(log_folder_for(place.folder))
        log_file = log_folder / "smsc.log"
        smsc = await start_smsc(carrier, log_file, errors=place.folder / "smsc.err")
        stack.push_async_callback(smsc.stop)
        outside = await stack.enter_async_context(open_runtime(place.url))
        keys = await outside.store.write(furnish, outside, int(smsc.line), carrier, organizations)
        server = await start_server(place, profile)
        stack.push_async_callback(server.stop)
        started = json.loads(server.line)
        http = await stack.enter_async_context(client(started["url"]))
        await until_ready(http)
        yield House(place, server, smsc, http, keys, outside, started["threads"], log_file)


@contextmanager
def log_folder_for(folder: Path) -> Iterator[Path]:
    """A folder for an SMSC's log, off the disk that is measured where that can be had."""
    with TemporaryDirectory(prefix="clarion-bench-", dir=MEMORY if MEMORY.is_dir() else folder) as found:
        yield Path(found)


async def start_smsc(carrier: Carrier, log_file: Path, *, errors: Path) -> Program:
    """The simulated SMSC; its line is its port."""
    log = ("--log-file", log_file) if carrier.log else ()
    return await processes.start("bench.smsc", "--answer-delay-ms", carrier.answer_delay_ms, *log, errors=errors)


async def start_server(place: Place, profile: Path | None = None) -> Program:
    """Clarion on a free port; its line is JSON with the URL."""
    arguments: list[object] = [place.folder, place.folder / "lag"]
    arguments += ["--database-url", place.postgres_url] if place.postgres_url else []
    arguments += ["--profile", profile] if profile else []
    return await processes.start("bench.server", *arguments, errors=place.folder / "server.err")


def client(url: str | None) -> aiohttp.ClientSession:
    """No limit of our own: what is measured must wait for the server alone."""
    return aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0))


async def until_ready(http: aiohttp.ClientSession) -> None:
    """Wait until the server can store and send. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while not await _is_ready(http):
            await asyncio.sleep(POLL_S)


def furnish(connection: Connection, runtime: Runtime, port: int, carrier: Carrier, organizations: int) -> tuple[str, ...]:
    """Organizations with money for anything, and the SMSC as their carrier; the keys."""
    now = runtime.clock.now()
    keys: list[str] = []
    for number in range(organizations):
        new = NewOrganization(f"bench-{number}")
        organization_id = tenants.create_organization(connection, new, runtime.ids.broadcast(now), now)
        token = tenants.KEY_PREFIX + runtime.ids.token(tenants.KEY_CHARACTERS)
        tenants.create_key(connection, NewKey(organization_id, "bench"), token, now)
        money.top_up(connection, organization_id, PURSE_MILLI, now)
        keys.append(token)
    url = f"smpp://clarion@127.0.0.1:{port}?window={carrier.window}&binds={carrier.binds}"
    carriers.add_carrier(connection, NewCarrier("bench", url, "", "", PRICE), now)
    return tuple(keys)


def read_progress(connection: Connection) -> Progress:
    """Where all messages stand."""
    ended, final = rows.all(
        connection,
        "SELECT coalesce(sum(sent_count + delivered_count + undelivered_count + refused_count), 0),"
        " coalesce(sum(delivered_count + undelivered_count + refused_count), 0) FROM chunks",
    )[0]
    charged = rows.all(connection, "SELECT coalesce(sum(charged_milli), 0) FROM holds")[0][0]
    return Progress(int(ended), int(final), int(charged))


def _suppress(connection: Connection, numbers: int, organizations: range) -> None:
    every = rows.all(connection, "SELECT id FROM organizations ORDER BY id")
    for (organization_id,) in every[organizations.start : organizations.stop]:
        records = [(organization_id, 254_100_000_000 + number, "STOP", 0) for number in range(numbers)]
        rows.copy(connection, "suppressions", ("organization_id", "recipient", "reason", "created_at"), records)


async def _is_ready(http: aiohttp.ClientSession) -> bool:
    async with http.get("/readyz") as answer:
        return answer.status == 200
