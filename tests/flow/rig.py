"""A whole road for tests: a real store, the simulated SMSC on real SMPP, all stages; no HTTP."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from clarion.broker.local import LocalBroker
from clarion.core.clock import Clock
from clarion.flow import plan
from clarion.flow.accept import accept
from clarion.flow.order import Accepted, Order
from clarion.flow.settings import Settings
from clarion.flow.sweep import Sweeper
from clarion.runtime import Runtime
from clarion.simulator.settings import SmscSettings
from clarion.simulator.smsc import Smsc
from clarion.store import Store, money, views
from clarion.store import tables as t
from clarion.store.catalog import Organization, load_organization, raise_version
from clarion.wiring.connections import Connections
from clarion.wiring.machine import SystemClock, SystemIds, SystemRandom, SystemTimer

PATIENCE_S = 120.0


@dataclass
class Road:
    """What a test has in its hands."""

    runtime: Runtime
    settings: Settings
    connections: Connections
    sweeper: Sweeper
    organization: Organization
    smsc: Smsc
    carrier_id: int
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def accept(self, recipients: list[str], text: str = "Hello", *, lane: int = 2, sender: str | None = "CLARION") -> Accepted:
        return await accept(
            self.runtime,
            await self.settings.catalog(),
            Order(self.organization, "talkntalk", lane, text, sender, recipients, partial=True),
        )

    async def view(self, accepted: Accepted) -> views.BroadcastView:
        found = await self.runtime.store.read(views.broadcast, self.organization.id, accepted.broadcast_id)
        assert found is not None
        return found

    async def until(self, accepted: Accepted, done: Callable[[views.BroadcastView], bool]) -> views.BroadcastView:
        """The broadcast, as soon as `done` says so."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                view = await self.view(accepted)
                if done(view):
                    return view
                await asyncio.sleep(0.02)

    async def all(self, query: Any) -> list[Any]:
        return await self.runtime.store.read(lambda connection: list(connection.execute(query)))

    def begin(self) -> None:
        self.tasks = [
            asyncio.create_task(plan.run(self.runtime)),
            asyncio.create_task(self.sweeper.run()),
            asyncio.create_task(self.connections.run()),
            asyncio.create_task(self.settings.run()),
        ]

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.connections.close()


def add_organization(connection: sa.Connection, /, name: str, available_milli: int, now: int, **values: Any) -> int:
    organization_id = connection.execute(
        sa.insert(t.organizations)
        .values(
            {
                "public_id": SystemIds().broadcast(now),
                "name": name,
                "currency": "KES",
                "billing": "prepaid",
                "region": "KE",
                "zone": "Africa/Nairobi",
                "created_at": now,
            }
            | values
        )
        .returning(t.organizations.c.id)
    ).scalar_one()
    connection.execute(sa.insert(t.wallets).values(organization_id=organization_id))
    if available_milli:
        money.top_up(connection, organization_id, available_milli, now)
    return int(organization_id)


def add_carrier(connection: sa.Connection, /, name: str, url: str, now: int, *, prefix: str = "", price: str = "1.00") -> int:
    carrier_id = connection.execute(
        sa.insert(t.carriers)
        .values(name=name, kind="smpp", url=url, password="", state="active", created_at=now)
        .returning(t.carriers.c.id)
    ).scalar_one()
    connection.execute(sa.insert(t.routes).values(prefix=prefix, carrier_id=carrier_id))
    connection.execute(sa.insert(t.prices).values(prefix=prefix, carrier_id=carrier_id, amount=price))
    raise_version(connection)
    return int(carrier_id)


@asynccontextmanager
async def road(
    store: Store,
    smsc: SmscSettings | None = None,
    *,
    options: str = "window=100",
    available_milli: int = 10_000_000_000,
    clock: Clock | None = None,
    begin: bool = True,
) -> AsyncIterator[Road]:
    """A road with one organization and one carrier, everything running."""
    timer = SystemTimer()
    runtime = Runtime(clock or SystemClock(), timer, SystemIds(), SystemRandom(1), store, LocalBroker())
    simulator = Smsc(smsc or SmscSettings(), runtime.clock, timer)
    port = await simulator.start()
    now = runtime.clock.now()
    await store.write(add_organization, "acme", available_milli, now)
    carrier_id = await store.write(add_carrier, "one", f"smpp://clarion@127.0.0.1:{port}?{options}", now)
    organization = await store.read(load_organization, "acme")
    assert organization is not None
    settings = Settings(runtime)
    made = Road(runtime, settings, Connections(runtime, settings), Sweeper(runtime, settings), organization, simulator, carrier_id)
    if begin:
        made.begin()
    try:
        yield made
    finally:
        await made.end()
        await simulator.stop()


def numbers(count: int, start: int = 254_700_000_000) -> list[str]:
    return [str(start + k) for k in range(count)]


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
