"""A carrier that is out, step by step: what is accepted, what waits, what was to be retried; and how its health is decided."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from tests.flow.hand import HOUR, NOBODY, PRICE, SECOND, Hand, by_hand, fact

from clarion.carriers.meter import Meter
from clarion.carriers.verdict import Bounds
from clarion.core.health import Patience
from clarion.core.routes import Health
from clarion.core.states import State
from clarion.flow import plan
from clarion.flow.health import Watch
from clarion.flow.sweep import Sweeper
from clarion.store import Store, binds, carriers, doctor, reroutes
from clarion.store import tables as t
from clarion.store.binds import Lease
from clarion.store.catalog import Carrier

UGANDA = 256_700_000_000


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


async def health(hand: Hand, carrier_id: int, state: str) -> None:
    await hand.run(f"UPDATE carriers SET health = '{state}' WHERE id = {carrier_id}")
    await hand.run("UPDATE settings SET version = version + 1")
    await hand.settings.refresh()


async def chunks(hand: Hand) -> dict[int, int]:
    """Messages not marked, by carrier."""
    found = await hand.all(
        sa.select(t.chunks.c.carrier_id, sa.func.sum(t.chunks.c.last_id - t.chunks.c.marked_id)).group_by(t.chunks.c.carrier_id)
    )
    return {carrier_id: int(count) for carrier_id, count in found if count}


async def exact(hand: Hand) -> None:
    await hand.check()
    assert await hand.store.read(doctor.examine, hand.at) == []


async def test_accept_shares_by_weight_and_leaves_out_what_is_out(hand: Hand) -> None:
    two, three = await hand.carrier("two"), await hand.carrier("three")
    await hand.store.write(carriers.change_carrier, "two", carriers.CarrierChange(weight=3))
    await hand.settings.refresh()
    accepted = await hand.accept(1_000, lane=2)
    assert await chunks(hand) == {hand.carrier_id: 200, two: 600, three: 200}
    assert len(await hand.all(sa.select(t.chunks.c.id))) == 6
    assert sorted(accepted.offsets) == list(range(1, 1_001))
    await health(hand, two, "out")
    await hand.accept(100, lane=2, start=254_711_000_000)
    assert await chunks(hand) == {hand.carrier_id: 250, two: 600, three: 250}
    await exact(hand)


async def test_single_texts_take_turns(hand: Hand) -> None:
    two = await hand.carrier("two")
    for k in range(10):
        await hand.accept(1, start=254_700_000_000 + k)
    assert await chunks(hand) == {hand.carrier_id: 5, two: 5}


async def test_a_sender_that_no_carrier_takes_has_no_route_and_costs_nothing(hand: Hand) -> None:
    for name in ("one", "two"):
        if name == "two":
            await hand.carrier(name)
        await hand.store.write(carriers.change_carrier, name, carriers.CarrierChange(senders=("numbers", "short")))
    await hand.settings.refresh()
    before = await hand.all(sa.select(t.wallets.c.available_milli))
    refused = await hand.accept(3, sender="CLARION")
    assert {rejection.reason for rejection in refused.rejections.values()} == {"no_route"}
    assert await hand.all(sa.select(t.wallets.c.available_milli)) == before
    taken = [await hand.accept(1, sender=sender, start=254_711_000_000 + k) for k, sender in enumerate(("40404", "254700000000", None))]
    assert not any(accepted.rejections for accepted in taken)
    await exact(hand)


async def test_what_waits_for_one_that_is_out_goes_on_elsewhere_whole(hand: Hand) -> None:
    """Its chunks keep their order and attempt; what is marked is left to its answer; later chunks wait for their time."""
    two = await hand.carrier("two", "2547", "2.00")
    first = await hand.accept(1_200, lane=2)
    later = await hand.accept(10, lane=2, start=254_711_000_000, not_before=hand.at + HOUR)
    await plan.plan(hand.runtime)
    marked = (await hand.take(700, carrier_id=two)).messages
    lease = await hand.lease(carrier_id=two)
    await hand.record([fact(message, "unknown", two) for message in marked[:5]])
    await hand.record([fact(message, "retry", two, attempt=2, due_at=hand.at) for message in marked[5:7]])
    await hand.record([fact(message, "sent", two) for message in marked[7:]])
    await hand.store.write(binds.release, lease.bind_id, lease.fence, hand.at)
    await health(hand, two, "out")
    sweeper = Sweeper(hand.runtime, hand.settings)
    await sweeper.sweep()
    assert await chunks(hand) == {hand.carrier_id: 500, two: 10}
    await sweeper.sweep()
    await plan.plan(hand.runtime)
    again = (await hand.take(2_000)).messages
    assert Counter(message.attempt for message in again) == {1: 500, 3: 2}
    assert not {message.message_id for message in again} & {message.message_id for message in marked[:5] + marked[7:]}
    assert {message.price_milli for message in again} == {2 * PRICE}
    await hand.record([fact(message, "sent", hand.carrier_id) for message in again])
    view = await hand.view(first)
    assert (view.state, view.counts["sent"], view.counts["unknown"]) == ("completed", 1_195, 5)
    hand.clock.at += HOUR
    await sweeper.sweep()
    assert await chunks(hand) == {hand.carrier_id: 10}
    assert (await hand.view(later)).counts["waiting"] == 10
    await exact(hand)


async def test_what_has_no_other_route_waits_beside_what_has_one(hand: Hand) -> None:
    """One chunk of two countries, of which the other carrier takes one: nothing is refused, and the rest goes out when it is well again."""
    await hand.run(f"DELETE FROM routes WHERE carrier_id = {hand.carrier_id}")
    await hand.run(f"INSERT INTO routes (prefix, carrier_id) VALUES ('254', {hand.carrier_id}), ('256', {hand.carrier_id})")
    two = await hand.carrier("two", "254")
    await hand.store.write(carriers.change_carrier, "two", carriers.CarrierChange(weight=0))
    await hand.settings.refresh()
    mixed = [str(start + k) for k in range(50) for start in (254_700_000_000, UGANDA)]
    accepted = await hand.accept(mixed, lane=2)
    await plan.plan(hand.runtime)
    await health(hand, hand.carrier_id, "out")
    assert await hand.reroute() == 50
    assert await hand.reroute() == 0
    assert Counter(await hand.all(sa.select(t.deliveries.c.carrier_id, t.deliveries.c.state))) == {
        (two, "retry"): 50,
        (hand.carrier_id, "retry"): 50,
    }
    moved = (await hand.take(carrier_id=two)).messages
    assert {str(message.recipient)[:3] for message in moved} == {"254"}
    await hand.record([fact(message, "sent", two) for message in moved])
    await health(hand, hand.carrier_id, "well")
    rest = (await hand.take()).messages
    await hand.record([fact(message, "sent", hand.carrier_id) for message in rest])
    assert len(rest) == 50
    assert (await hand.view(accepted)).state == "completed"
    await exact(hand)


async def test_with_nobody_well_everything_waits(hand: Hand) -> None:
    two = await hand.carrier("two")
    accepted = await hand.accept(20, lane=2)
    await health(hand, two, "out")
    await health(hand, hand.carrier_id, "probing")
    assert await hand.reroute() == 0
    await health(hand, hand.carrier_id, "out")
    assert await hand.reroute() == 0
    late = await hand.accept(4, start=254_711_000_000)
    assert not late.rejections
    assert (await hand.view(accepted)).counts["waiting"] == 20


async def test_a_bind_that_holds_a_chunk_of_a_failing_carrier_loses_what_it_did_not_mark(hand: Hand) -> None:
    """It is bound and holds on; what it has in doubt stays its own, and it marks nothing that was moved."""
    two = await hand.carrier("two", "2547")
    accepted = await hand.accept(100, lane=1)
    marked = (await hand.take(30, carrier_id=two)).messages
    await health(hand, two, "out")
    assert await hand.reroute() == 70
    assert (await hand.take(carrier_id=two)).messages == []
    await hand.record([fact(message, "sent", two) for message in marked])
    moved = (await hand.take()).messages
    assert len(moved) == 70
    await hand.record([fact(message, "sent", hand.carrier_id) for message in moved])
    assert (await hand.view(accepted)).state == "completed"
    await exact(hand)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_mark_that_looked_before_the_move_marks_nothing(hand: Hand, database_url: str) -> None:
    """It has seen the chunk ready for its own carrier, and waits for the row that sweep is handing over."""
    two = await hand.carrier("two", "2547")
    await hand.accept(20)
    lease = await hand.lease(carrier_id=two)
    other = await asyncpg.connect(database_url)
    try:
        transaction = other.transaction()
        await transaction.start()
        await other.execute(f"UPDATE chunks SET carrier_id = {hand.carrier_id}, state = 'waiting'")
        mark = asyncio.create_task(hand.take(carrier_id=two, lease=lease))
        await asyncio.wait({mark}, timeout=0.3)
        await transaction.commit()
        assert (await mark).messages == []
    finally:
        await other.close()
    await plan.plan(hand.runtime)
    assert len((await hand.take()).messages) == 20


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_chunk_that_is_being_marked_is_left_for_the_next_pass(hand: Hand, database_url: str) -> None:
    two = await hand.carrier("two", "2547")
    await hand.accept(20)
    lease = await hand.lease(carrier_id=two)
    await health(hand, two, "out")
    other = await asyncpg.connect(database_url)
    try:
        transaction = other.transaction()
        await transaction.start()
        await other.execute(f"UPDATE chunks SET marked_id = id + 4, state = 'claimed', bind_id = {lease.bind_id}, fence = {lease.fence}")
        assert await hand.reroute() == 0
        await transaction.commit()
    finally:
        await other.close()
    assert await hand.reroute() == 15
    assert Counter((await hand.states()).values()) == {"retry": 15}


async def test_a_message_of_which_a_part_was_taken_stays_with_its_carrier(hand: Hand) -> None:
    two = await hand.carrier("two", "2547")
    await hand.accept(2)
    one_part, none = (await hand.take(carrier_id=two)).messages
    await hand.record([fact(message, "retry", two, attempt=2, due_at=hand.at) for message in (one_part, none)])
    await hand.run(
        "INSERT INTO parts (message_id, attempt, part, carrier_id, state, updated_at)"
        f" VALUES ({one_part.message_id}, 1, 1, {two}, 'sent', 0)"
    )
    await health(hand, two, "out")
    assert await hand.reroute() == 1
    assert dict(await hand.all(sa.select(t.deliveries.c.message_id, t.deliveries.c.carrier_id))) == {
        one_part.message_id: two,
        none.message_id: hand.carrier_id,
    }


async def test_the_simulator_neither_gives_nor_takes(hand: Hand) -> None:
    simulator = await hand.store.write(carriers.put_simulator, NOBODY, hand.at)
    await hand.accept(5)
    await health(hand, hand.carrier_id, "out")
    assert await hand.reroute() == 0
    assert await chunks(hand) == {hand.carrier_id: 5}
    await hand.run(f"UPDATE chunks SET carrier_id = {simulator}")
    await health(hand, simulator, "out")
    await health(hand, hand.carrier_id, "well")
    assert await hand.reroute() == 0


async def test_what_was_moved_in_part_is_gone_on_with(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """More chunks and retries than one pass takes."""
    monkeypatch.setattr("clarion.flow.sweep.SLICES_MAX", 2)
    monkeypatch.setattr(reroutes, "SLICE", 3)
    two = await hand.carrier("two", "2547")
    await hand.accept(3_000, lane=2)
    await plan.plan(hand.runtime)
    messages = (await hand.take(10, carrier_id=two)).messages
    await hand.record([fact(message, "retry", two, attempt=2, due_at=hand.at) for message in messages])
    await health(hand, two, "out")
    sweeper = Sweeper(hand.runtime, hand.settings)
    for _ in range(6):
        await sweeper.sweep()
    assert set(await hand.all(sa.select(t.deliveries.c.carrier_id).where(t.deliveries.c.state == State.RETRY))) == {(hand.carrier_id,)}
    assert await hand.all(sa.select(sa.func.count()).where(t.chunks.c.carrier_id == two, t.chunks.c.state != "claimed")) == [(0,)]
    await hand.check()


class Bind:
    """What a process knows of a bind that it holds."""

    unanswered = 0

    def __init__(self, lease: Lease, carrier: Carrier) -> None:
        self.bind_id, self.carrier, self.meter = lease.bind_id, carrier, Meter(carrier.name, 0)


async def watched(hand: Hand, *, seconds: float = 0.0) -> tuple[Watch, Bind]:
    lease = await hand.lease()
    await hand.store.write(binds.note_state, lease.bind_id, lease.fence, "bound", "", hand.at)
    bind = Bind(lease, (await hand.settings.catalog()).carriers[hand.carrier_id])
    patience = Patience(unbound_s=seconds, rest_s=(seconds, seconds), probing_s=600)
    return Watch(hand.runtime, lambda: [bind], patience, Bounds(answers=10, span_s=0, spans=2)), bind


async def told(hand: Hand) -> tuple[Any, ...]:
    ((state, reason, since),) = await hand.all(
        sa.select(t.carriers.c.health, t.carriers.c.health_reason, t.carriers.c.health_since_at).where(t.carriers.c.id == hand.carrier_id)
    )
    return state, reason, since


async def test_a_carrier_that_is_not_bound_is_out_for_all_processes_and_well_when_it_is_bound(hand: Hand) -> None:
    watch, _ = await watched(hand)
    await watch.look()
    assert await told(hand) == ("well", "", 0)
    lease = hand.leases[hand.carrier_id, 0]
    await hand.store.write(binds.note_state, lease.bind_id, lease.fence, "refused", "ESME_RBINDFAIL (0x0000000d)", hand.at)
    hand.clock.at += SECOND
    await watch.look()
    assert await told(hand) == ("out", "not bound: ESME_RBINDFAIL (0x0000000d)", hand.at)
    assert await hand.settings.refresh()
    assert (await hand.settings.catalog()).carriers[hand.carrier_id].health is Health.OUT
    # Another process that has seen nothing of it finds it out too, and nobody changes it twice.
    version = (await hand.settings.catalog()).version
    await Watch(hand.runtime, list).look()
    await watch.look()
    await hand.settings.refresh()
    assert (await hand.settings.catalog()).version == version
    await hand.store.write(binds.note_state, lease.bind_id, lease.fence, "bound", "", hand.at)
    await watch.look()
    assert (await told(hand))[:2] == ("well", "bound again")
    ((listed,),) = [(view,) for view in await hand.store.read(carriers.list_carriers)]
    assert (listed.health, listed.health_since_at) == ("well", hand.at)


async def test_answers_put_it_out_and_others_bring_it_back_by_way_of_probing(hand: Hand) -> None:
    watch, bind = await watched(hand)
    await watch.look()

    async def answered(**answers: int) -> None:
        bind.meter.answers.update(answers)
        await watch.look()

    await answered(ESME_RINVDSTADR=500)
    await answered(ESME_RINVDSTADR=500)
    await answered(ESME_RSYSERR=40)
    assert (await told(hand))[0] == "well"
    await answered(ESME_RSYSERR=30, ESME_ROK=2)
    assert (await told(hand))[:2] == ("out", "30 of 32 submits failed: 30 ESME_RSYSERR")
    await watch.look()
    assert (await told(hand))[0] == "probing"
    await watch.look()
    await answered(none=20)
    assert (await told(hand))[:2] == ("out", "20 of 20 submits failed: 20 without an answer")
    await watch.look()
    await watch.look()
    await answered(ESME_ROK=9)
    assert (await told(hand))[0] == "probing"
    await answered(ESME_ROK=9)
    assert (await told(hand))[:2] == ("well", "it takes messages again")
    assert await hand.all("SELECT outages FROM carriers") == [(2,)]
    assert await hand.all("SELECT trouble FROM binds") == [("",)]


async def test_a_second_bind_that_works_keeps_the_carrier_well(hand: Hand) -> None:
    """Another process's: this one's own has nothing but failures."""
    watch, bind = await watched(hand)
    other = await hand.lease(1)
    await hand.store.write(binds.note_state, other.bind_id, other.fence, "bound", "", hand.at)
    for _ in range(3):
        bind.meter.answers.update(ESME_RSYSERR=20)
        await watch.look()
    assert (await hand.all("SELECT slot FROM binds WHERE trouble <> ''"), (await told(hand))[0]) == ([(0,)], "well")
    await hand.store.write(binds.note_state, other.bind_id, other.fence, "connecting", "", hand.at)
    await watch.look()
    assert (await told(hand))[0] == "out"


async def test_of_a_pair_the_half_that_only_hears_does_not_count(hand: Hand) -> None:
    await hand.run(f"UPDATE carriers SET url = '{NOBODY}?bind=pair'")
    watch, _ = await watched(hand)
    hears = await hand.lease(1)
    await hand.store.write(binds.note_state, hears.bind_id, hears.fence, "bound", "", hand.at)
    sends = hand.leases[hand.carrier_id, 0]
    await hand.store.write(binds.note_state, sends.bind_id, sends.fence, "connecting", "", hand.at)
    await watch.look()
    assert (await told(hand))[0] == "out"


async def test_nobody_is_out_while_nobody_tries(hand: Hand) -> None:
    two = await hand.carrier("two")
    lease = await hand.lease(carrier_id=two)
    watch = Watch(hand.runtime, list, Patience(unbound_s=0))
    await watch.look()
    assert await hand.all("SELECT health FROM carriers ORDER BY id") == [("well",), ("out",)]
    await hand.store.write(binds.release, lease.bind_id, lease.fence, hand.at)
    await watch.look()
    assert await hand.all("SELECT health FROM carriers ORDER BY id") == [("well",), ("out",)]
