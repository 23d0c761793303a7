"""Another process takes the binds of one that sleeps: what was marked is in doubt, what the sleeper hears counts, nothing is doubled."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.conftest import MakeStore
from tests.flow.hand import by_hand, counters_are_exact, execute, ledger_is_exact
from tests.flow.rig import PATIENCE_S, Road, numbers, road

from clarion.broker.local import LocalBroker
from clarion.flow import sweep
from clarion.flow.settings import Settings
from clarion.runtime import Runtime
from clarion.simulator.settings import SmscSettings
from clarion.store import Store, binds
from clarion.store import tables as t
from clarion.wiring.connections import Connections

WINDOW = 20
GONE = "the process that sent it is gone"

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


async def test_a_sleeper_is_fenced_and_the_other_one_finishes(
    make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first does not renew its lease and goes on trying to send: its next mark is refused, and the second one sends the rest."""
    monkeypatch.setattr(sweep, "ORPHAN_MICROS", 500_000)
    log = tmp_path / "smsc.log"
    first, second = await make_store(owner=True), await make_store(owner=True)
    settings = SmscSettings(answer_delay_ms=400, log_file=log)
    async with road(first, settings, options=f"window={WINDOW}&answer_timeout=10") as here:
        accepted = await here.accept(numbers(300))
        async with asyncio.timeout(PATIENCE_S):
            while here.smsc.counters.submits < 3 * WINDOW:
                await asyncio.sleep(0.01)
        here.tasks[2].cancel()
        (sleeper,) = here.connections.held
        await first.write(execute, "UPDATE binds SET lease_until = 0")
        runtime = Runtime(here.runtime.clock, here.runtime.timer, here.runtime.ids, here.runtime.random, second, LocalBroker())
        taker = Connections(runtime, Settings(runtime))
        taking = asyncio.create_task(taker.run())
        async with asyncio.timeout(PATIENCE_S):
            while not taker.held:
                await asyncio.sleep(0.005)
        d = t.deliveries.c
        ((doubt,),) = await here.all(sa.select(sa.func.count()).select_from(t.deliveries).where(d.reason == GONE, d.state == "unknown"))
        assert doubt <= 2 * WINDOW
        async with asyncio.timeout(PATIENCE_S):
            await sleeper.dispatcher.fenced.wait()

        def lines() -> list[dict[str, Any]]:
            return [json.loads(line) for line in log.read_text().splitlines()]

        # What the sleeper had marked and not yet given is unknown for good; all that reached the SMSC is delivered.
        view = await here.until(
            accepted, lambda v: v.counts["delivered"] + v.counts["unknown"] == 300 and v.counts["delivered"] == len(lines())
        )
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await taker.close()
        assert len({line["destination"] for line in lines()}) == len(lines()), "something was sent twice"
        assert {line["bind"] for line in lines()} == {1, 2}
        assert view.counts["unknown"] <= 2 * WINDOW
        await first.read(ledger_is_exact)
        await first.read(counters_are_exact)


async def test_a_bind_is_taken_from_a_process_that_is_gone_and_not_from_one_that_lives(make_store: MakeStore) -> None:
    """The lock of a living owner keeps its binds while their lease lasts; a closed store lets go of it, and the lease does not matter."""
    first, second = await make_store(owner=True), await make_store(owner=True)
    hand = await by_hand(first)
    await hand.accept(10)
    await hand.take(4)
    assert await second.write(binds.acquire, hand.carrier_id, 0, second.owner, hand.at) is None
    await first.close()
    async with asyncio.timeout(PATIENCE_S):
        # The server lets go of a closed connection's lock when it has noticed.
        while (lease := await second.write(binds.acquire, hand.carrier_id, 0, second.owner, hand.at)) is None:
            await asyncio.sleep(0.02)
    assert lease.in_doubt == 4
    assert await second.read(lambda connection: connection.execute(sa.select(t.deliveries.c.state)).scalars().all()) == ["unknown"] * 4


async def test_of_many_who_want_a_free_bind_one_gets_it(make_store: MakeStore) -> None:
    stores = [await make_store(owner=True) for _ in range(5)]
    hand = await by_hand(stores[0])
    leases = await asyncio.gather(*(store.write(binds.acquire, hand.carrier_id, 0, store.owner, hand.at) for store in stores))
    assert sum(lease is not None for lease in leases) == 1


async def test_a_lease_is_renewed_by_its_owner_alone(make_store: MakeStore) -> None:
    first, second = await make_store(owner=True), await make_store(owner=True)
    hand = await by_hand(first)
    old = await hand.lease()
    await hand.run("UPDATE binds SET lease_until = 0")
    await second.write(binds.renew, second.owner)
    assert await hand.all(sa.select(t.binds.c.lease_until)) == [(0,)]
    assert await second.write(binds.acquire, hand.carrier_id, 0, second.owner, hand.at) is not None
    ((until,),) = await hand.all(sa.select(t.binds.c.lease_until))
    await first.write(binds.renew, first.owner)
    assert await hand.all(sa.select(t.binds.c.lease_until)) == [(until,)]
    await first.write(binds.release, old.bind_id, old.fence, hand.at)
    await first.write(binds.note_state, old.bind_id, old.fence, "refused", "me", hand.at)
    assert await hand.all(sa.select(t.binds.c.owner, t.binds.c.state)) == [(second.owner, "connecting")]


async def beside(here: Road, store: Store) -> Connections:
    """The connections of a second process, once it has looked around."""
    runtime = Runtime(here.runtime.clock, here.runtime.timer, here.runtime.ids, here.runtime.random, store, LocalBroker())
    second = Connections(runtime, Settings(runtime))
    assert second.not_ready() == ["the carriers have not been read from the database yet"]
    await second.follow()
    assert second.held == []
    return second


async def bind_is(here: Road, state: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await here.all(sa.select(t.binds.c.state)) != [(state,)]:
            await asyncio.sleep(0.02)


async def test_a_process_is_ready_while_another_one_has_the_bound_binds(make_store: MakeStore) -> None:
    first, second = await make_store(owner=True), await make_store(owner=True)
    async with road(first) as here:
        await bind_is(here, "bound")
        waiting = await beside(here, second)
        assert waiting.not_ready() == []
        await first.write(execute, "UPDATE binds SET lease_until = 0")
        assert await second.read(binds.elsewhere, second.owner) == []


async def test_one_that_is_not_ready_says_who_has_the_binds_and_why_they_are_of_no_use(make_store: MakeStore) -> None:
    first, second = await make_store(owner=True), await make_store(owner=True)
    async with road(first, SmscSettings(bind_status=0x0E)) as here:
        await bind_is(here, "refused")
        none, who = (await beside(here, second)).not_ready()
        assert none == "none of 1 carriers is bound; `clarion carriers list` says why"
        assert re.fullmatch(rf"process {first.owner}( at \S+)? holds one, which is refused \(ESME_RINVPASWD.*\)", who), who
