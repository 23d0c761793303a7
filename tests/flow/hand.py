"""The road by hand: an organization, a carrier that nobody connects to, a clock that stands still. Tests do what stages do, one by one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import Connection
from tests.flow.rig import add_carrier, add_organization, numbers

from clarion.broker.local import LocalBroker
from clarion.core.states import COUNTED
from clarion.core.submission import Receipt
from clarion.flow.accept import accept
from clarion.flow.order import Accepted, Order
from clarion.flow.settings import Settings
from clarion.runtime import Runtime
from clarion.store import Store, binds, marks, outcomes, receipts, reroutes, views
from clarion.store import tables as t
from clarion.store.binds import Lease
from clarion.store.catalog import Organization, load_organization
from clarion.store.facts import Fact
from clarion.store.marks import Marked, Taken
from clarion.store.outcomes import Batch
from clarion.store.receipts import Recorded
from clarion.wiring.machine import SystemIds, SystemRandom, SystemTimer

NOW = 1_700_000_000_000_000
SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
PRICE = 100_000
NOBODY = "smpp://nobody@127.0.0.1:1"


class HandClock:
    """A calendar that moves when it is told to."""

    rate = 1.0

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> int:
        return self.at


@dataclass
class Hand:
    """Everything that a step needs. `at` is the clock's time."""

    runtime: Runtime
    clock: HandClock
    settings: Settings
    organization: Organization
    carrier_id: int
    leases: dict[tuple[int, int], Lease] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return self.runtime.store

    @property
    def at(self) -> int:
        return self.clock.at

    async def organize(self, name: str, available_milli: int = 10_000_000_000, **values: Any) -> Organization:
        await self.store.write(partial(add_organization, **values), name, available_milli, self.at)
        made = await self.store.read(load_organization, name)
        assert made is not None
        return made

    async def carrier(self, name: str, prefix: str = "", price: str = "1.00") -> int:
        made = await self.store.write(add_carrier, name, NOBODY, self.at, prefix=prefix, price=price)
        await self.settings.refresh()
        return made

    async def accept(
        self,
        recipients: int | Sequence[str],
        *,
        text: str = "Hello",
        lane: int = 0,
        organization: Organization | None = None,
        sender: str | None = "CLARION",
        partial: bool = True,
        start: int = 254_700_000_000,
        **more: Any,
    ) -> Accepted:
        return await accept(
            self.runtime,
            await self.settings.catalog(),
            Order(
                organization=organization or self.organization,
                face="talkntalk",
                lane=lane,
                text=text,
                sender=sender,
                recipients=numbers(recipients, start) if isinstance(recipients, int) else recipients,
                partial=partial,
                **more,
            ),
        )

    async def lease(self, slot: int = 0, carrier_id: int | None = None, owner: int | None = None) -> Lease:
        """The bind of this slot; with an owner, taken over by it as if the last one had slept beyond its lease."""
        carrier_id = carrier_id or self.carrier_id
        if (carrier_id, slot) not in self.leases or owner is not None:
            if owner is not None:
                await self.run(f"UPDATE binds SET lease_until = 0 WHERE carrier_id = {carrier_id} AND slot = {slot}")
            lease = await self.store.write(binds.acquire, carrier_id, slot, owner or self.store.owner, self.at)
            assert lease is not None
            self.leases[carrier_id, slot] = lease
        return self.leases[carrier_id, slot]

    async def take(
        self,
        room: int = 1_000,
        *,
        bulk_room: int | None = None,
        slot: int = 0,
        carrier_id: int | None = None,
        in_flight: dict[int, int] | None = None,
        lease: Lease | None = None,
    ) -> Taken:
        lease = lease or await self.lease(slot, carrier_id)
        return await self.store.write(
            marks.take,
            lease.bind_id,
            carrier_id or self.carrier_id,
            lease.fence,
            room,
            room if bulk_room is None else bulk_room,
            in_flight or {},
            self.at,
        )

    async def record(self, facts: Sequence[Fact], **others: Any) -> None:
        batch = Batch(self.carrier_id, facts, [], [], [])._replace(**others)
        await self.store.write(outcomes.record_outcomes, batch, None, self.at)

    async def receive(self, *notes: Receipt, form: str | None = None, carrier_id: int | None = None) -> Recorded:
        return await self.store.write(receipts.record_receipts, carrier_id or self.carrier_id, form, notes, self.at)

    async def all(self, query: Any) -> list[Any]:
        query = sa.text(query) if isinstance(query, str) else query
        return await self.store.read(lambda connection: [tuple(row) for row in connection.execute(query)])

    async def run(self, statement: str) -> None:
        await self.store.write(execute, statement)

    async def reroute(self) -> int:
        """What sweep does for carriers that take nothing, to its end; how many messages were moved."""
        await self.settings.refresh()
        catalog, moved = await self.settings.catalog(), 0
        for source in await self.store.read(reroutes.sources, catalog):
            place: reroutes.Place | None = reroutes.Place()
            while place is not None:
                count, place = await self.store.write(reroutes.reroute, catalog, source, place, self.at)
                moved += count
        return moved

    async def states(self) -> dict[int, str]:
        """The state of every message that has a row."""
        return dict(await self.all(sa.select(t.deliveries.c.message_id, t.deliveries.c.state)))

    async def view(self, accepted: Accepted) -> views.BroadcastView:
        found = await self.store.read(views.broadcast, None, accepted.broadcast_id)
        assert found is not None
        return found

    async def check(self) -> None:
        """What holds at any time: `ledger_is_exact` and `counters_are_exact`."""
        await self.store.read(ledger_is_exact)
        await self.store.read(counters_are_exact)


async def by_hand(store: Store, *, available_milli: int = 10_000_000_000, **values: Any) -> Hand:
    """An organization `acme` in Kenya and a carrier for everywhere, at 1.00 KES a segment."""
    clock = HandClock()
    runtime = Runtime(clock, SystemTimer(), SystemIds(), SystemRandom(1), store, LocalBroker())
    await store.write(partial(add_organization, **values), "acme", available_milli, clock.now())
    carrier_id = await store.write(add_carrier, "one", NOBODY, clock.now())
    organization = await store.read(load_organization, "acme")
    assert organization is not None
    return Hand(runtime, clock, Settings(runtime), organization, carrier_id)


def execute(connection: Connection, statement: str) -> None:
    connection.execute(sa.text(statement))


def fact(message: Marked, state: str, carrier_id: int | None = 1, **changes: Any) -> Fact:
    """What became of a marked message; a `sent` one has its own id as reference."""
    made = Fact(
        message.message_id,
        message.chunk_id,
        message.broadcast_id,
        message.organization_id,
        message.price_milli,
        message.attempt,
        state,
        carrier_id,
        f"r{message.message_id}" if state == "sent" else None,
        None,
    )
    return made._replace(**changes)


def note(reference: str, recipient: int | str, state: str = "delivered", **changes: Any) -> Receipt:
    """A receipt as receive stores it."""
    made = Receipt(reference, str(recipient), "CLARION", state, "" if state == "delivered" else "UNDELIV err:034", -1, b"raw")
    return replace(made, **changes)


def about(message: Marked, state: str = "delivered", **changes: Any) -> Receipt:
    """The receipt of a message that `fact` sent."""
    return note(f"r{message.message_id}", message.recipient, state, **changes)


def ledger_is_exact(connection: Connection) -> None:
    """Every entry adds up to 0, wallets are the sums of their lines, holds what was reserved, charged, released and still waits."""

    def one(text: str) -> list[Any]:
        return list(connection.execute(sa.text(text)))

    assert one("SELECT ledger_id FROM ledger_lines GROUP BY ledger_id HAVING sum(amount_milli) <> 0 OR count(*) <> 2") == []
    wallets = dict(map(tuple, one("SELECT organization_id, available_milli FROM wallets")))
    lines = dict(
        map(
            tuple,
            one(
                "SELECT l.organization_id, sum(n.amount_milli) FROM ledger l JOIN ledger_lines n ON n.ledger_id = l.id"
                " WHERE n.account = 'available' GROUP BY l.organization_id"
            ),
        )
    )
    assert {key: value for key, value in wallets.items() if value or key in lines} == lines
    booked = {
        (broadcast_id, kind): int(amount)
        for broadcast_id, kind, amount in one(
            "SELECT l.broadcast_id, l.kind, sum(n.amount_milli) FROM ledger l JOIN ledger_lines n ON n.ledger_id = l.id"
            " WHERE n.amount_milli > 0 AND l.broadcast_id IS NOT NULL GROUP BY l.broadcast_id, l.kind"
        )
    }
    charged = dict(
        map(
            tuple,
            one(
                "SELECT m.broadcast_id, sum(d.charged_milli) FROM deliveries d JOIN messages m ON m.id = d.message_id"
                " GROUP BY m.broadcast_id"
            ),
        )
    )
    held = dict(
        map(
            tuple,
            one(
                "SELECT m.broadcast_id, sum(m.price_milli) FROM messages m LEFT JOIN deliveries d ON d.message_id = m.id"
                " WHERE d.state IS NULL OR d.state IN ('retry', 'marked', 'unknown') AND d.charged_milli = 0 GROUP BY m.broadcast_id"
            ),
        )
    )
    assert one("SELECT 1 FROM deliveries d JOIN messages m ON m.id = d.message_id WHERE d.charged_milli NOT IN (0, m.price_milli)") == []
    dropped = {row[0] for row in one("SELECT id FROM broadcasts WHERE state = 'accepting' OR reason = 'accept_interrupted'")}
    for broadcast_id, amount, charge, release in one("SELECT broadcast_id, amount_milli, charged_milli, released_milli FROM holds"):
        assert booked.get((broadcast_id, "reserve"), 0) == amount
        refund = booked.get((broadcast_id, "refund"), 0)
        assert booked.get((broadcast_id, "charge"), 0) - refund == charge == charged.get(broadcast_id, 0)
        assert booked.get((broadcast_id, "release"), 0) + refund == release
        if broadcast_id not in dropped:
            assert amount == charge + release + held.get(broadcast_id, 0)


def counters_are_exact(connection: Connection) -> None:
    """A chunk's counters are the counts of its rows, a broadcast's open chunks are those not ended, and none open completes it."""
    columns = [t.chunks.c[f"{state}_count"] for state in COUNTED]
    counted: dict[int, dict[str, int]] = {}
    for chunk_id, state, count in connection.execute(
        sa.select(t.deliveries.c.chunk_id, t.deliveries.c.state, sa.func.count()).group_by(t.deliveries.c.chunk_id, t.deliveries.c.state)
    ):
        counted.setdefault(chunk_id, {})[state] = count
    open_chunks: dict[int, int] = {}
    unsettled = {"retry", "marked"}
    c = t.chunks.c
    for chunk_id, broadcast_id, marked_id, last_id, state, *counters in connection.execute(
        sa.select(c.id, c.broadcast_id, c.marked_id, c.last_id, c.state, *columns)
    ):
        counts = dict(zip(map(str, COUNTED), counters, strict=True))
        assert {name: count for name, count in counts.items() if count} == counted.get(chunk_id, {})
        ended = marked_id == last_id and sum(n for name, n in counts.items() if name not in unsettled) == last_id - chunk_id + 1
        assert (state == "done") == ended, (chunk_id, state, counts)
        open_chunks[broadcast_id] = open_chunks.get(broadcast_id, 0) + (not ended)
    b = t.broadcasts.c
    for broadcast_id, open_, state, finished_at in connection.execute(sa.select(b.id, b.open_chunks, b.state, b.finished_at)):
        if state == "accepting":
            continue
        assert open_ == open_chunks.get(broadcast_id, 0)
        assert (finished_at is not None) == (open_ == 0)
        assert (state in {"completed", "cancelled"}) == (open_ == 0)
