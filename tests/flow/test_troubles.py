"""One connection's trouble is nobody else's: deliveries that cannot be recorded, ends that fail, carriers that never answer."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.flow.rig import PATIENCE_S, add_carrier, numbers, road

from clarion.carriers.interface import InboundText, Receipt
from clarion.flow.receive import Receiver
from clarion.simulator.settings import SmscSettings
from clarion.simulator.smsc import Smsc
from clarion.store import Store, outcomes
from clarion.store import tables as t
from clarion.store.catalog import raise_version
from clarion.wiring import connections
from clarion.wiring.connection import Connection

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What is proved is above the store."""


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not done():
            await asyncio.sleep(0.02)


async def test_a_delivery_that_cannot_be_recorded_is_put_aside_and_the_others_count(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One receipt of a batch raises: the others are recorded, its octets are kept, and the bind stays as it is."""
    poison = numbers(1)[0]
    receive = Receiver.receive

    async def picky(self: Receiver, deliveries: Sequence[Receipt | InboundText]) -> None:
        if any(delivery.recipient == poison for delivery in deliveries):
            raise ValueError("a receipt that nobody can read")
        await receive(self, deliveries)

    record = outcomes.record_arrivals

    def picky_too(*args: Any, **kwargs: Any) -> outcomes.Arrived:
        if any(receipt.recipient == poison for receipt in args[4]):
            raise ValueError("a receipt that nobody can read")
        return record(*args, **kwargs)

    monkeypatch.setattr(Receiver, "receive", picky)
    monkeypatch.setattr(outcomes, "record_arrivals", picky_too)
    async with road(store) as here:
        accepted = await here.accept(numbers(50))
        view = await here.until(accepted, lambda v: v.counts["delivered"] == 49)
        assert view.counts["sent"] == 1
        await until(lambda: all(not connection._deliveries for connection in here.connections.held))
        ((recipient, text, raw),) = await here.all(sa.select(t.inbound.c.recipient, t.inbound.c.text, t.inbound.c.raw))
        assert (recipient, text) == ("", "")
        assert b"id:" in raw
        assert await here.all(sa.select(t.binds.c.state)) == [("bound",)]


async def test_a_connection_that_fails_says_why_and_rests_before_the_next_start(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Connection.run
    failures = 2
    started: list[Connection] = []

    async def failing(self: Connection) -> None:
        started.append(self)
        if len(started) <= failures:
            raise ValueError("a mistake of ours")
        await run(self)

    monkeypatch.setattr(Connection, "run", failing)
    monkeypatch.setattr(connections, "FAILED_S", (0.2, 30.0))
    async with road(store) as here:
        await until(lambda: len(started) == 1)
        async with asyncio.timeout(PATIENCE_S):
            while not any("ValueError" in reason for (reason,) in await here.all(sa.select(t.binds.c.reason))):
                await asyncio.sleep(0.01)
        accepted = await here.accept(numbers(5))
        await here.until(accepted, lambda v: v.counts["delivered"] == 5)
        assert here.connections._failures[here.carrier_id, 0].pause_s == 0.4
        assert not here.tasks[2].done()


async def test_an_end_that_fails_leaves_the_others_at_work(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The removed carrier's close raises: its bind is given back all the same, and following goes on."""
    close = Connection.close

    async def failing(self: Connection, begun_s: float = 0.0) -> None:
        if self.carrier.name == "two":
            raise ValueError("a mistake of ours")
        await close(self, begun_s)

    monkeypatch.setattr(Connection, "close", failing)
    async with road(store) as here:
        ((url,),) = await here.all(sa.select(t.carriers.c.url))
        second = await store.write(add_carrier, "two", url, here.runtime.clock.now(), prefix="1")
        await until(lambda: len([c for c in here.connections.held if c.bind.state == "bound"]) == 2)
        await store.write(remove, second)
        await until(lambda: len(here.connections.held) == 1 and not here.connections._ending)
        ((owner, reason),) = await here.all(sa.select(t.binds.c.owner, t.binds.c.reason).where(t.binds.c.carrier_id == second))
        assert owner is None
        assert "ValueError" in reason
        accepted = await here.accept(numbers(5))
        await here.until(accepted, lambda v: v.counts["delivered"] == 5)


async def test_a_removed_carrier_that_never_answers_sends_nothing_more_and_holds_nobody_up(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three binds with their windows full and more to send; the other carrier's lease is renewed while they are waited for."""
    monkeypatch.setattr(connections, "RENEW_S", 0.3)
    log = tmp_path / "mute.log"
    mute_settings = SmscSettings(unanswered_share=1.0, receipts=False, log_file=log)
    async with road(store) as here:
        mute = Smsc(mute_settings, here.runtime.clock, here.runtime.timer)
        url = f"smpp://clarion@127.0.0.1:{await mute.start()}?window=10&binds=3&rate=5&answer_timeout=60"
        try:
            second = await store.write(add_carrier, "two", url, here.runtime.clock.now(), prefix="25471")
            await until(lambda: len([c for c in here.connections.held if c.bind.state == "bound"]) == 4)
            await here.accept(numbers(2_000, 254_710_000_000))
            await until(lambda: mute.counters.submits >= 6)
            await store.write(remove, second)
            removed = [c for c in here.connections.held if c.carrier.id == second]
            await until(lambda: len(here.connections.held) == 1)
            await until(lambda: not any(c.dispatcher._desk.waiting() for c in removed))
            given = len(log.read_text().splitlines())
            lease = sa.select(t.binds.c.lease_until).where(t.binds.c.carrier_id == here.carrier_id)
            ((before,),) = await here.all(lease)
            accepted = await here.accept(numbers(20))
            await here.until(accepted, lambda v: v.counts["delivered"] == 20)
            async with asyncio.timeout(PATIENCE_S):
                while (await here.all(lease))[0][0] <= before:
                    await asyncio.sleep(0.05)
            assert len(here.connections._ending) == 3, "the mute binds were not waited for"
            # At its rate it would have sent ten in this time.
            await asyncio.sleep(2)
            assert len(log.read_text().splitlines()) == given
            mute.disconnect()
            await until(lambda: not here.connections._ending)
        finally:
            await mute.stop()


def remove(connection: sa.Connection, carrier_id: int) -> None:
    connection.execute(sa.update(t.carriers).where(t.carriers.c.id == carrier_id).values(state="removed"))
    raise_version(connection)
