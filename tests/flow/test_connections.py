"""Binds at work over real SMPP: lost links, throttling, silence, windows, rates, several binds, stops and starts in mid-broadcast."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.carriers.scripted import ScriptedConnection, scripted_carrier
from tests.flow.hand import counters_are_exact, ledger_is_exact
from tests.flow.rig import PATIENCE_S, Road, numbers, road

from clarion.carriers.smpp import pdu
from clarion.flow import sweep
from clarion.flow.order import Accepted
from clarion.simulator.settings import SmscSettings
from clarion.store import Store
from clarion.store import tables as t
from clarion.store.catalog import raise_version
from clarion.wiring import connection
from clarion.wiring.connections import Connections

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What is proved is above the store."""

STATES = sa.select(t.deliveries.c.state, sa.func.count()).group_by(t.deliveries.c.state)


def submits(log: Path) -> list[dict[str, Any]]:
    """What the SMSC was given, by its own log."""
    return [json.loads(line) for line in log.read_text().splitlines()]


def taken(log: Path) -> Counter[str]:
    """How often the SMSC took a message for each recipient."""
    return Counter(line["destination"] for line in submits(log) if line["status"] == 0)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receipts that fit nothing are tried on the unknowns after half a second instead of five."""
    monkeypatch.setattr(sweep, "ORPHAN_MICROS", 500_000)


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not done():
            await asyncio.sleep(0.02)


async def check(here: Road) -> None:
    await here.runtime.store.read(ledger_is_exact)
    await here.runtime.store.read(counters_are_exact)


async def stop_connections(here: Road) -> None:
    """As a process does that ends: the task first, then every connection in order."""
    here.tasks[2].cancel()
    await asyncio.gather(here.tasks[2], return_exceptions=True)
    await here.connections.close()


def start_connections(here: Road) -> None:
    here.connections = Connections(here.runtime, here.settings)
    here.tasks[2] = asyncio.create_task(here.connections.run())


async def test_a_stop_waits_for_the_answers_and_a_start_goes_on(store: Store, tmp_path: Path) -> None:
    """In mid-broadcast, twice: no message is unknown, none is doubled, everything ends."""
    log = tmp_path / "smsc.log"
    settings = SmscSettings(answer_delay_ms=150, log_file=log)
    async with road(store, settings, options="window=40") as here:
        accepted = await here.accept(numbers(600))
        for part in (1, 2):
            await until(lambda part=part: here.smsc.counters.submits >= part * 100)  # type: ignore[misc]
            connections = here.connections.held
            await stop_connections(here)
            assert [connection.dispatcher.doubt for connection in connections] == [0] * len(connections)
            states = dict(await here.all(STATES))
            assert "unknown" not in states
            assert sum(states.values()) < 600
            assert await here.all(sa.select(t.binds.c.owner, t.binds.c.state)) == [(None, "closed")]
            start_connections(here)
        view = await here.until(accepted, lambda v: v.counts["delivered"] == 600)
        assert view.state == "completed"
        assert set(taken(log).values()) == {1}
        await check(here)


async def test_a_stop_sends_the_rest_of_a_long_message_that_was_begun(store: Store, tmp_path: Path) -> None:
    """Two of its three parts have no token yet when the stop comes: they go out, and the message is sent, not unknown."""
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(log_file=log), options="window=10&rate=4") as here:
        accepted = await here.accept(numbers(2), "x" * 400)
        await until(lambda: here.smsc.counters.submits >= 1)
        await stop_connections(here)
        ((state,),) = await here.all(sa.select(t.deliveries.c.state).where(t.deliveries.c.state != "retry"))
        assert state in {"sent", "delivered"}
        start_connections(here)
        await here.until(accepted, lambda v: v.counts["delivered"] == 2)
        assert set(taken(log).values()) == {3}
        await check(here)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ending connection waits half a second for answers, not twelve."""
    monkeypatch.setattr(connection, "GRACE_S", 0.5)


@asynccontextmanager
async def scripted_road(store: Store) -> AsyncIterator[tuple[Road, ScriptedConnection, Accepted]]:
    """A road whose carrier is the test."""

    def point_at(database: sa.Connection, port: int) -> None:
        database.execute(sa.update(t.carriers).values(url=f"smpp://clarion@127.0.0.1:{port}?window=100"))
        raise_version(database)

    async with scripted_carrier() as carrier, road(store, begin=False) as here:
        await store.write(point_at, carrier.port)
        here.begin()
        bound = await carrier.bound()
        yield here, bound, await here.accept(numbers(3))


@on_sqlite
async def test_what_is_answered_together_with_the_unbind_counts(store: Store, hurried: None) -> None:
    async with scripted_road(store) as (here, carrier, accepted):
        submits = await carrier.submits(3)
        stopping = asyncio.create_task(stop_connections(here))
        unbind = await carrier.expect(pdu.UNBIND)
        for submit in submits:
            carrier.answer(submit)
        carrier.send(pdu.UNBIND_RESP, 0, unbind.sequence)
        await stopping
        assert (await here.view(accepted)).counts["sent"] == 3
        await check(here)


@on_sqlite
async def test_what_a_closed_bind_leaves_unanswered_is_unknown_for_that_reason(store: Store, hurried: None) -> None:
    async with scripted_road(store) as (here, carrier, _):
        await carrier.submits(3)
        stopping = asyncio.create_task(stop_connections(here))
        unbind = await carrier.expect(pdu.UNBIND)
        carrier.send(pdu.UNBIND_RESP, 0, unbind.sequence)
        await stopping
        assert await here.all(sa.select(t.deliveries.c.state, t.deliveries.c.reason)) == [("unknown", "the bind was closed")] * 3
        await check(here)


async def test_lost_connections_leave_unknown_what_was_on_the_wire_and_receipts_resolve_it(
    store: Store, soon: None, tmp_path: Path
) -> None:
    """Nothing is sent twice; what the SMSC took is delivered; what stays unknown never reached it, a window for each loss at most."""
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(disconnect_every=90, log_file=log), options="window=20") as here:
        accepted = await here.accept(numbers(400))

        def ended(view: Any) -> bool:
            return bool(view.counts["delivered"] == sum(taken(log).values()) and view.counts["delivered"] + view.counts["unknown"] == 400)

        view = await here.until(accepted, ended)
        assert here.smsc.counters.disconnects >= 3
        assert view.counts["unknown"] <= here.smsc.counters.disconnects * 20
        assert set(taken(log).values()) == {1}
        unknown = await here.all(
            sa.select(t.messages.c.recipient)
            .join_from(t.messages, t.deliveries, t.messages.c.id == t.deliveries.c.message_id)
            .where(t.deliveries.c.state == "unknown")
        )
        assert not {str(recipient) for (recipient,) in unknown} & taken(log).keys()
        assert await here.all(sa.select(t.orphans.c.id)) == []
        await check(here)


@on_sqlite
async def test_throttling_slows_down_and_everything_is_sent_once(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(throttle_per_second=150, log_file=log), options="window=50") as here:
        accepted = await here.accept(numbers(300))
        view = await here.until(accepted, lambda v: v.counts["delivered"] == 300)
        assert view.state == "completed"
        assert here.smsc.counters.throttled > 0
        assert here.smsc.counters.throttled < 300, "the bind does not rest after a throttling answer"
        assert set(taken(log).values()) == {1}
        await check(here)


async def test_what_is_never_answered_is_unknown_until_its_receipt_comes(store: Store, soon: None) -> None:
    """Receipts of messages without an answer find them by recipient and sender; money is charged then."""
    settings = SmscSettings(unanswered_share=0.1, late_share=0.5, receipt_late_ms=800)
    async with road(store, settings, options="window=50&answer_timeout=0.4") as here:
        accepted = await here.accept(numbers(300))
        view = await here.until(accepted, lambda v: v.counts["unknown"] > 0)
        assert view.counts["unknown"] + view.counts["sent"] + view.counts["delivered"] + view.on_the_way <= 300
        view = await here.until(accepted, lambda v: v.counts["delivered"] == 300)
        assert here.smsc.counters.submits == 300
        await check(here)


@on_sqlite
async def test_a_silent_carrier_gets_one_window_and_two_are_marked(store: Store) -> None:
    """Law 2: the window is what is given and not answered, the doubt at most twice that."""
    async with road(store, SmscSettings(unanswered_share=1.0, receipts=False), options="window=25") as here:
        accepted = await here.accept(numbers(200))
        await until(lambda: here.smsc.counters.submits == 25)
        for _ in range(20):
            await asyncio.sleep(0.02)
            (connection,) = here.connections.held
            assert connection.dispatcher.doubt <= 50
            assert here.smsc.counters.submits == 25
        view = await here.view(accepted)
        assert 25 <= view.on_the_way <= 50
        # Nothing of this is to be waited for at the end.
        here.smsc.disconnect()


@on_sqlite
async def test_the_rate_is_kept_in_every_second(store: Store, tmp_path: Path) -> None:
    """By the SMSC's log: whichever second one looks at, no more than the rate and a burst."""
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(log_file=log), options="window=200&rate=200") as here:
        accepted = await here.accept(numbers(500))
        await here.until(accepted, lambda v: v.counts["delivered"] == 500)
        times = sorted(line["at"] for line in submits(log))
        for first, at in enumerate(times):
            within = sum(1 for later in times[first:] if later < at + 1)
            assert within <= 200 * 1.3


@on_sqlite
async def test_a_slow_rate_under_a_wide_window_is_used(store: Store) -> None:
    """What is marked ahead is little beside the window; the next mark must not wait for a poll. Counted in marks, not in time."""
    async with road(store, options="window=1000&rate=100") as here:
        accepted = await here.accept(numbers(200))
        await until(lambda: here.smsc.counters.submits > 0)
        waits = 0
        (connection,) = here.connections.held
        bucket = here.connections._buckets[here.carrier_id]
        while here.smsc.counters.submits < 200:
            if connection.dispatcher._desk.waiting() == 0 and bucket.available(here.runtime.timer.monotonic()) >= 5:
                waits += 1
            await asyncio.sleep(0.05)
        await here.until(accepted, lambda v: v.counts["delivered"] == 200)
        assert waits <= 3, f"{waits} times there were tokens and nothing in hand"


async def test_two_binds_share_the_work_and_double_nothing(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(answer_delay_ms=20, log_file=log), options="window=10&binds=2") as here:
        accepted = await here.accept(numbers(1_200))
        await here.until(accepted, lambda v: v.counts["delivered"] == 1_200)
        assert len({line["bind"] for line in submits(log)}) == 2
        assert set(taken(log).values()) == {1}
        await check(here)


async def test_a_pair_sends_over_one_connection_and_hears_over_the_other(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(early_share=0.2, log_file=log), options="window=40&bind=pair") as here:
        accepted = await here.accept(numbers(300))
        view = await here.until(accepted, lambda v: v.counts["delivered"] == 300)
        assert view.state == "completed"
        assert sorted((c.bind.can_submit, c.bind.state) for c in here.connections.held) == [(False, "bound"), (True, "bound")]
        assert set(taken(log).values()) == {1}
        assert len({line["bind"] for line in submits(log)}) == 1
        await check(here)


@on_sqlite
async def test_nothing_is_accepted_for_a_carrier_that_only_receives(store: Store) -> None:
    async with road(store, options="bind=receiver") as here:
        await until(lambda: [c.bind.state for c in here.connections.held] == ["bound"])
        accepted = await here.accept(numbers(2))
        assert [rejection.reason for rejection in accepted.rejections.values()] == ["no_route"] * 2
