"""A paced broadcast: so many messages a minute, however often anybody looks, wherever it is stopped, and whatever else goes on."""

import asyncio
import time

import pytest
import sqlalchemy as sa
from tests.conftest import MakeStore
from tests.flow.hand import HOUR, PRICE, SECOND, Hand, by_hand, fact
from tests.flow.rig import numbers, road

from clarion.broker.interface import PLAN, carrier_topic
from clarion.flow.accept import accept
from clarion.flow.order import Accepted, Order
from clarion.flow.plan import POLL_S, plan
from clarion.runtime import Runtime
from clarion.store import Store, binds, control, doctor, paces, schedules
from clarion.store import tables as t
from clarion.store.control import NotPossible

FAST = 60_000
"""A minute's messages, so that a second is worth 1,000 of them."""


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store, available_milli=100_000 * PRICE)


async def ago(hand: Hand, micros: int) -> None:
    """Time goes by for paces: the engine's own clock, which no test can set, is compared with this number."""
    await hand.run(f"UPDATE broadcasts SET paced_until = paced_until - {micros}")


async def opened(hand: Hand, carrier_id: int | None = None) -> int:
    """What plan opens and a bind takes, recorded at once."""
    await plan(hand.runtime)
    taken = (await hand.take(carrier_id=carrier_id)).messages
    await hand.record([fact(message, "sent", carrier_id or hand.carrier_id) for message in taken])
    return len(taken)


async def paced(hand: Hand, accepted: Accepted) -> int:
    return (await hand.view(accepted)).id


async def exact(hand: Hand) -> None:
    await hand.check()
    assert await hand.store.read(doctor.examine, hand.at) == []


async def test_sixty_a_minute_is_one_a_second(hand: Hand) -> None:
    accepted = await hand.accept(2_000, lane=2, pace=60)
    assert await opened(hand) == 1
    assert await opened(hand) == 0, "however often somebody looks"
    for _ in range(3):
        await ago(hand, SECOND)
        assert await opened(hand) == 1
    await ago(hand, HOUR)
    assert await opened(hand) == 2, "what was missed is made up for a second"
    view = await hand.view(accepted)
    assert (view.pace, view.counts["sent"], view.counts["waiting"]) == (60, 6, 1_994)
    await exact(hand)


@pytest.mark.parametrize("lane", [0, 1, 2])
async def test_every_lane_is_paced(hand: Hand, lane: int) -> None:
    await hand.accept(10, lane=lane, pace=1)
    assert [await opened(hand), await opened(hand)] == [1, 0]


async def test_a_quick_pace_goes_over_chunks_and_ends(hand: Hand) -> None:
    accepted = await hand.accept(2_250, lane=2, pace=FAST)
    sent = await opened(hand)
    assert sent <= 1_001
    for _ in range(10):
        await ago(hand, SECOND)
        just = await opened(hand)
        assert just <= 1_001
        sent += just
    assert sent == 2_250
    assert (await hand.view(accepted)).state == "completed"
    assert await hand.store.write(paces.open_due, hand.at) == (set(), None), "nobody looks after it any more"
    await exact(hand)


async def test_what_was_opened_and_not_taken_is_not_opened_again(hand: Hand) -> None:
    """A server that was down, a carrier that takes nothing: no burst afterwards."""
    await hand.accept(10_000, lane=2, pace=FAST)
    for _ in range(20):
        await plan(hand.runtime)
        await ago(hand, HOUR)
    assert len((await hand.take(100_000)).messages) <= 1_001


async def test_it_is_changed_and_lifted_while_it_runs(hand: Hand) -> None:
    accepted = await hand.accept(3_000, lane=2)
    await plan(hand.runtime)
    assert len((await hand.take(100)).messages) == 100, "without a pace"
    broadcast_id = await paced(hand, accepted)
    done = await hand.store.write(paces.set_pace, broadcast_id, 1)
    assert (done.changed, done.carriers) == (True, [hand.carrier_id])
    assert not (await hand.store.write(paces.set_pace, broadcast_id, 1)).changed
    assert [await opened(hand), await opened(hand)] == [1, 0], "at the next mark, also in the chunk that is half gone"
    await hand.store.write(paces.set_pace, broadcast_id, 600)
    await plan(hand.runtime)
    await ago(hand, SECOND)
    assert await opened(hand) in range(2, 12), "not after the minute that the slow pace has still to wait"
    await hand.store.write(paces.set_pace, broadcast_id, None)
    assert len((await hand.take()).messages) > 350, "the chunk in hand at once"
    assert (await hand.view(accepted)).pace is None
    while await opened(hand):
        pass
    assert (await hand.view(accepted)).counts["waiting"] == 0


async def test_an_ended_broadcast_has_no_pace(hand: Hand) -> None:
    accepted = await hand.accept(1, lane=0)
    broadcast_id = await paced(hand, accepted)
    await opened(hand)
    with pytest.raises(NotPossible, match="is completed: it has no pace any more"):
        await hand.store.write(paces.set_pace, broadcast_id, 60)


async def test_it_stands_in_nobodys_way(hand: Hand) -> None:
    """Twenty slow broadcasts of one organization, older than one without a pace."""
    for start in range(20):
        await hand.accept(1_000, lane=2, pace=1, start=254_700_000_000 + start * 1_000)
    assert await opened(hand) == 20
    await hand.accept(4_000, lane=2, start=254_720_000_000)
    sent = 0
    while just := await opened(hand):
        sent += just
    assert sent == 4_000


async def test_paused_and_given_back_it_keeps_what_was_opened(hand: Hand) -> None:
    accepted = await hand.accept(1_000, lane=2, pace=600)
    broadcast_id = await paced(hand, accepted)
    await plan(hand.runtime)
    await hand.store.write(control.pause, broadcast_id)
    await ago(hand, HOUR)
    assert await opened(hand) == 0
    await hand.store.write(control.resume, broadcast_id, hand.at)
    assert 0 < await opened(hand) <= 12
    lease = await hand.lease()
    await hand.store.write(binds.release, lease.bind_id, lease.fence, hand.at)
    assert await hand.all(sa.select(sa.func.count()).where(t.chunks.c.state == "ready")) == [(0,)], "nothing is open"
    hand.leases.clear()
    await ago(hand, SECOND)
    assert 0 < await opened(hand) <= 12
    await exact(hand)


async def test_a_schedule_comes_first(hand: Hand) -> None:
    await hand.accept(10, lane=2, pace=600, not_before=hand.at + HOUR)
    assert await opened(hand) == 0
    hand.clock.at += HOUR
    assert await opened(hand) > 0


async def test_a_removed_carriers_rest_is_taken_up_at_its_pace(hand: Hand) -> None:
    await hand.accept(1_200, lane=2, pace=60)
    assert await opened(hand) == 1
    other = await hand.carrier("two")
    lease = await hand.lease()
    await hand.store.write(binds.release, lease.bind_id, lease.fence, hand.at)
    await hand.run(f"UPDATE carriers SET state = 'removed' WHERE id = {hand.carrier_id}")
    await hand.settings.refresh()
    assert await hand.reroute() == 1_199
    for _ in range(3):
        await ago(hand, SECOND)
        assert 0 < await opened(hand, other) < 60
    await exact(hand)


async def test_carriers_share_it_and_one_that_takes_nothing_leaves_it_to_the_others(hand: Hand) -> None:
    other = await hand.carrier("two", prefix="25411")
    order = [*numbers(3_000), *numbers(3_000, 254_110_000_000)]
    await hand.accept(order, lane=2, pace=FAST)
    await plan(hand.runtime)
    first, second = (await hand.take()).messages, (await hand.take(carrier_id=other)).messages
    assert len(first) == len(second) > 0
    for _ in range(3):
        await ago(hand, SECOND)
        await plan(hand.runtime)
        alone = (await hand.take(10_000, carrier_id=other)).messages
        assert 0 < len(alone) <= 1_001


async def test_processes_share_one_pace(make_store: MakeStore) -> None:
    stores = [await make_store(owner=True), await make_store()]
    here = await by_hand(stores[0], available_milli=100_000 * PRICE)
    await here.accept(5_000, lane=2, pace=FAST)
    for _ in range(5):
        await asyncio.gather(*(store.write(schedules.open_due, 0, here.at) for store in stores * 4))
        assert len((await here.take(100_000)).messages) <= 1_001
        await ago(here, HOUR)


async def test_nobody_is_asked_to_look_in_a_storm(hand: Hand) -> None:
    assert await plan(hand.runtime) == POLL_S
    await hand.accept(10_000, lane=2, pace=6_000_000, not_before=hand.at + HOUR)
    assert await plan(hand.runtime) == POLL_S, "what is scheduled has no hurry"


async def test_on_the_road_the_carrier_sees_no_more_than_the_pace(store: Store) -> None:
    """However slow the machine is: time only ever makes it less. Lifted, the rest goes at once."""
    per_minute = 3_000
    async with road(store, options="window=20&binds=2") as here:
        began = time.monotonic()
        order = Order(here.organization, "cli", 2, "Hello", "CLARION", numbers(3_000), partial=True, pace=per_minute)
        accepted = await accept(here.runtime, await here.settings.catalog(), order)
        while here.smsc.counters.submits < 100:
            submits = here.smsc.counters.submits
            assert submits <= (time.monotonic() - began + 1) * per_minute / 60 + 13
            await asyncio.sleep(0.02)
        view = await here.view(accepted)
        done = await here.runtime.store.write(paces.set_pace, view.id, None)
        for topic in (PLAN, *map(carrier_topic, done.carriers)):
            here.runtime.broker.ring(topic)
        await here.until(accepted, lambda v: v.counts["delivered"] == 3_000)
        assert here.smsc.counters.submits == 3_000


async def test_a_restart_neither_bursts_nor_stalls(store: Store) -> None:
    """Everything but the database is gone twice; what goes out in all stays within the time that went by."""
    per_minute = 6_000
    async with road(store, options="window=20", begin=False) as here:
        began = time.monotonic()
        order = Order(here.organization, "cli", 2, "Hello", "CLARION", numbers(2_000), partial=True, pace=per_minute)
        accepted = await accept(here.runtime, await here.settings.catalog(), order)
        for least in (50, 150, 250):
            runtime: Runtime = here.runtime
            here.connections = type(here.connections)(runtime, here.settings)
            here.begin()
            while here.smsc.counters.submits < least:
                await asyncio.sleep(0.02)
            await here.end()
            assert here.smsc.counters.submits <= (time.monotonic() - began + 1) * per_minute / 60 + 25
        assert (await here.view(accepted)).counts["delivered"] == here.smsc.counters.submits
