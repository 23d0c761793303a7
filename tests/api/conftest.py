"""A real server over HTTP, on a real store, with two organizations, a carrier in Kenya and the simulator in the United States."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
import sqlalchemy as sa
import uvicorn
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from clarion.api.app import make_app
from clarion.api.limits import Counter, MemoryLimits, RequestLimits
from clarion.api.services import Services
from clarion.broker.local import LocalBroker
from clarion.core.rates import Admission
from clarion.flow.settings import Settings
from clarion.runtime import Runtime
from clarion.store import Store, binds, chunks, deliveries, facts, marks, money, tables
from clarion.store.catalog import raise_version
from clarion.store.engine import open_store
from clarion.wiring.machine import SystemIds, SystemRandom, SystemTimer

NOW = 1_763_856_000_123_456
"""2025-11-23T00:00:00.123456Z."""

KEY = "tk_live_" + "a" * 32
OTHER_KEY = "tk_live_" + "b" * 32
REVOKED_KEY = "tk_live_" + "c" * 32
EXPIRED_KEY = "tk_live_" + "d" * 32
VOICE_KEY = "tk_live_" + "e" * 32
TEEKRR_KEY = "tk_live_" + "f" * 32

ORGANIZATION = UUID("7c0f5a52-6d1e-4d4b-9d3c-2f1f1a9f6a01")

KENYA, SIMULATOR = 1, 2

SEND_BULK = "/v1/sms/send-bulk/"
SEND = "/v1/sms/send/"
STATUS = "/v1/sms/campaigns/status/"
MESSAGES = "/v1/sms/campaigns/messages/"
BALANCE = "/v1/balance/"


class FixedClock:
    rate = 1.0

    def __init__(self, now: int = NOW) -> None:
        self.time = now

    def now(self) -> int:
        return self.time


class Unlimited:
    """For tables that ask one endpoint more often than its rate allows."""

    async def admit(self, organization_id: int, counter: Counter) -> Admission:
        return Admission(allowed=True, remaining=1, retry_after_s=0.0)


@dataclass
class World:
    client: httpx.AsyncClient
    services: Services
    store: Store
    clock: FixedClock
    url: str

    async def post(self, path: str, body: object = None, key: str | None = KEY, **options: Any) -> httpx.Response:
        headers = {**({"Authorization": f"Bearer {key}"} if key else {}), **options.pop("headers", {})}
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.client.post(path, headers=headers, **sent, **options)

    async def get(self, path: str, key: str | None = KEY, **options: Any) -> httpx.Response:
        return await self.client.get(path, headers={"Authorization": f"Bearer {key}"} if key else {}, **options)

    async def top_up(self, amount_milli: int) -> None:
        await self.store.write(money.top_up, 1, amount_milli, NOW)

    async def opt_out(self, recipient: int) -> None:
        record = {"organization_id": 1, "recipient": recipient, "reason": "STOP", "created_at": NOW}
        await self.store.write(_insert, tables.suppressions, [record])

    async def count(self, table: sa.Table) -> int:
        return await self.store.read(lambda connection: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())

    async def mark_all(self) -> list[marks.Marked]:
        """What a bind of the Kenyan carrier would do next."""
        return await self.store.write(_mark_all, self.clock.time)

    async def end(self, marked: marks.Marked, state: str, reason: str | None = None) -> None:
        fact = facts.Fact(
            marked.message_id,
            marked.chunk_id,
            marked.broadcast_id,
            marked.organization_id,
            marked.price_milli,
            1,
            state,
            KENYA,
            None,
            reason,
        )
        await self.store.write(deliveries.record, [fact], self.clock.time)


def _mark_all(connection: Connection, now: int) -> list[marks.Marked]:
    chunks.open_due(connection, now)
    lease = binds.acquire(connection, KENYA, 0, 1, now)
    assert lease is not None
    return marks.take(connection, lease.bind_id, KENYA, lease.fence, 10_000, 10_000, {}, now).messages


@contextlib.asynccontextmanager
async def serving(
    store: Store, limits: RequestLimits | None = None, *, through: Store | None = None, **changes: Any
) -> AsyncIterator[World]:
    """`through`: what the app takes for its store, where that is not the one the test looks into."""
    clock = FixedClock()
    runtime = Runtime(
        clock=clock, timer=SystemTimer(), ids=SystemIds(), random=SystemRandom(1), store=through or store, broker=LocalBroker()
    )
    await store.write(_furnish)
    services = Services(
        runtime=runtime,
        settings=Settings(runtime),
        limits=limits or MemoryLimits(runtime.timer),
        ready=list,
        registry=CollectorRegistry(),
        trusted_proxies=(ip_network("127.0.0.0/8"),),
    )
    services = replace(services, **changes)
    async with listening(make_app(services)) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield World(client, services, store, clock, url)


@contextlib.asynccontextmanager
async def listening(app: Any) -> AsyncIterator[str]:
    """Its URL. Not by `Server.serve`, whose loop and end take a fifth of a second of every test."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, proxy_headers=False, lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    await server.on_tick(0)
    (socket,) = server.servers
    state = server.server_state
    try:
        yield f"http://127.0.0.1:{socket.sockets[0].getsockname()[1]}"
    finally:
        socket.close()
        for connection in list(state.connections):
            connection.shutdown()
        async with asyncio.timeout(30):
            while state.connections or state.tasks:
                await asyncio.sleep(0.005)


@pytest.fixture
async def world(store: Store) -> AsyncIterator[World]:
    async with serving(store) as made:
        yield made


@pytest.fixture
async def sqlite_store(sqlite_url: str) -> AsyncIterator[Store]:
    """For what does not depend on the database."""
    store = await open_store(sqlite_url, SystemTimer(), owner=True)
    yield store
    await store.close()


@pytest.fixture
async def sqlite_world(sqlite_store: Store) -> AsyncIterator[World]:
    async with serving(sqlite_store) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def still_world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One for a whole module whose requests change nothing; without rates."""
    path = tmp_path_factory.mktemp("still") / "clarion.db"
    path.write_bytes(sqlite_template.read_bytes())
    store = await open_store(f"sqlite:///{path}", SystemTimer(), owner=True)
    try:
        async with serving(store, Unlimited(), body_limit_bytes=1 << 20) as made:
            yield made
    finally:
        await store.close()


def _furnish(connection: Connection) -> None:
    _insert(connection, tables.organizations, _organizations())
    if connection.dialect.name == "postgresql":
        # Rows with ids of their own leave the sequence where it was.
        connection.exec_driver_sql("SELECT setval(pg_get_serial_sequence('organizations', 'id'), 100)")
    _insert(connection, tables.wallets, ({"organization_id": number, "available_milli": 0} for number in (1, 2)))
    _insert(connection, tables.keys, _keys())
    carrier = {"url": "smpp://127.0.0.1:2775", "password": "", "state": "active", "created_at": 0}
    _insert(
        connection,
        tables.carriers,
        [{"id": KENYA, "name": "kenya", "kind": "smpp", **carrier}, {"id": SIMULATOR, "name": "simulator", "kind": "simulator", **carrier}],
    )
    _insert(connection, tables.routes, [{"prefix": "254", "carrier_id": KENYA}, {"prefix": "1", "carrier_id": SIMULATOR}])
    _insert(connection, tables.prices, [{"prefix": "", "carrier_id": KENYA, "amount": "1.00"}])
    raise_version(connection)


def _organizations() -> Sequence[dict[str, Any]]:
    shared = {"currency": "KES", "billing": "prepaid", "region": "KE", "zone": "Africa/Nairobi", "created_at": 0}
    return [
        {"id": 1, "public_id": ORGANIZATION, "name": "duka", "default_sender": "DUKA", **shared},
        {"id": 2, "public_id": UUID(int=2), "name": "other", "default_sender": None, **shared},
    ]


def _keys() -> Iterable[dict[str, Any]]:
    for key, organization_id, changes in (
        (KEY, 1, {"scopes": "send_sms"}),
        (OTHER_KEY, 2, {}),
        (REVOKED_KEY, 1, {"revoked_at": NOW - 1}),
        (EXPIRED_KEY, 1, {"expires_at": NOW}),
        (VOICE_KEY, 1, {"scopes": "make_calls manage"}),
        (TEEKRR_KEY, 1, {"face": "teekrr"}),
    ):
        digest = hashlib.sha256(key.encode()).digest()
        empty = {"scopes": None, "face": None, "expires_at": None, "revoked_at": None}
        yield {
            "organization_id": organization_id,
            "name": key[-4:],
            "hint": key[:12],
            "digest": digest,
            "created_at": 0,
            **empty,
            **changes,
        }


def _insert(connection: Connection, table: sa.Table, records: Iterable[dict[str, Any]]) -> None:
    for record in records:
        connection.execute(sa.insert(table).values(record))
