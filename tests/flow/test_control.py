"""Pause, resume and cancel in the middle of a broadcast: at the next mark, with the money exact (on both databases, over real SMPP)."""

import asyncio

import pytest
import sqlalchemy as sa
from tests.flow.hand import Hand, by_hand, counters_are_exact, fact, ledger_is_exact
from tests.flow.rig import PATIENCE_S, Road, numbers, road

from clarion.broker.interface import PLAN, carrier_topic
from clarion.flow.order import Accepted
from clarion.simulator.settings import SmscSettings
from clarion.store import Store, chunks, control, doctor
from clarion.store import tables as t
from clarion.store.chunks import READY_CHUNKS_MAX
from clarion.store.control import Controlled, NotPossible

MESSAGES = 5_000
PRICE = 100_000
HANDFUL = 100
"""Twice the window: what one mark of a bind takes at most."""

SLOW = SmscSettings(answer_delay_ms=20)


async def ask(here: Road, accepted: Accepted, what: str) -> Controlled:
    """As the command does: the row, then the rings."""
    view = await here.view(accepted)
    write = here.runtime.store.write
    match what:
        case "pause":
            done = await write(control.pause, view.id)
        case "resume":
            done = await write(control.resume, view.id, here.runtime.clock.now())
        case _:
            done = await write(control.cancel, view.id)
    for topic in (PLAN, *map(carrier_topic, done.carriers)):
        here.runtime.broker.ring(topic)
    return done


async def submitted(here: Road, at_least: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while here.smsc.counters.submits < at_least:
            await asyncio.sleep(0.005)


async def marked(here: Road) -> int:
    """How far the marks of all chunks are: nothing beyond them was ever given to a bind."""
    ((total,),) = await here.all(sa.select(sa.func.sum(t.chunks.c.marked_id - t.chunks.c.id + 1)))
    return int(total)


async def exact(here: Road) -> None:
    await here.runtime.store.read(ledger_is_exact)
    await here.runtime.store.read(counters_are_exact)
    assert await here.runtime.store.read(doctor.examine, here.runtime.clock.now()) == []


async def test_a_paused_broadcast_stands_still_and_a_resumed_one_ends(store: Store) -> None:
    async with road(store, SLOW, options="window=50") as here:
        accepted = await here.accept(numbers(MESSAGES))
        await submitted(here, 500)
        done = await ask(here, accepted, "pause")
        assert done == Controlled("paused", changed=True, carriers=[here.carrier_id])
        before = await marked(here)
        # What was marked is in hand and goes out; nothing behind it is marked, but for a mark that had begun before the pause.
        await here.until(accepted, lambda v: not v.on_the_way and not v.counts["sent"])
        at_pause = await marked(here)
        assert before <= at_pause <= before + HANDFUL
        await asyncio.sleep(1.5)
        view = await here.view(accepted)
        assert await marked(here) == at_pause == here.smsc.counters.submits == view.counts["delivered"]
        assert (view.state, view.counts["waiting"]) == ("paused", MESSAGES - at_pause)
        assert not (await ask(here, accepted, "pause")).changed
        await exact(here)
        assert (await ask(here, accepted, "resume")).state == "accepted"
        assert not (await ask(here, accepted, "resume")).changed
        view = await here.until(accepted, lambda v: v.counts["delivered"] == MESSAGES)
        assert view.state == "completed"
        assert here.smsc.counters.submits == MESSAGES
        await exact(here)
        for what in ("pause", "resume", "cancel"):
            with pytest.raises(NotPossible, match="is completed"):
                await ask(here, accepted, what)


@pytest.mark.parametrize("first", ["", "pause"])
async def test_a_cancelled_broadcast_returns_exactly_what_was_not_sent(store: Store, first: str) -> None:
    async with road(store, SLOW, options="window=50&binds=2") as here:
        before = await balance(here)
        accepted = await here.accept(numbers(MESSAGES))
        await submitted(here, 500)
        if first:
            await ask(here, accepted, first)
        assert (await ask(here, accepted, "cancel")).state == "cancelling"
        at_cancel = await marked_for_binds(here)
        view = await here.until(accepted, lambda v: v.state == "cancelled" and not v.counts["sent"])
        assert view.finished_at is not None
        sent = here.smsc.counters.submits
        assert at_cancel <= sent <= at_cancel + 2 * HANDFUL
        assert (view.counts["delivered"], view.counts["cancelled"]) == (sent, MESSAGES - sent)
        assert await balance(here) == before - sent * PRICE
        assert not (await ask(here, accepted, "cancel")).changed
        with pytest.raises(NotPossible, match="is cancelled: it cannot be resumed"):
            await ask(here, accepted, "resume")
        await exact(here)


async def test_others_go_on_while_one_is_paused(store: Store) -> None:
    """Paused chunks take nobody's place: not those that were ready, nor those that a bind gives back."""
    async with road(store, options="window=50") as here:
        first = await here.accept(numbers(MESSAGES), lane=2)
        await ask(here, first, "pause")
        second = await here.accept(numbers(MESSAGES, 254_711_000_000), lane=2)
        await here.until(second, lambda v: v.counts["delivered"] == MESSAGES)
        assert (await here.view(first)).state == "paused"
        await ask(here, first, "cancel")
        await here.until(first, lambda v: v.state == "cancelled")
        await exact(here)


async def balance(here: Road) -> int:
    ((available,),) = await here.all(sa.select(t.wallets.c.available_milli))
    return int(available)


async def marked_for_binds(here: Road) -> int:
    """Without what sweep has passed over."""
    cancelled = sa.select(sa.func.count()).select_from(t.deliveries).where(t.deliveries.c.state == "cancelled")
    total = sa.select(sa.func.sum(t.chunks.c.marked_id - t.chunks.c.id + 1))
    ((number,),) = await here.all(sa.select(total.scalar_subquery() - cancelled.scalar_subquery()))
    return int(number)


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


async def test_a_pause_closes_what_is_open_and_what_is_opened_meanwhile_waits(hand: Hand) -> None:
    """A plan that has read the broadcast before the pause may open a chunk after it: nobody marks of it, and it takes nobody's place."""
    first = (await hand.view(await hand.accept(1_000, lane=2))).id
    await hand.store.write(chunks.open_due, hand.at)
    assert await ready(hand, first) == 2
    await hand.store.write(control.pause, first)
    assert await ready(hand, first) == 0
    await hand.run("UPDATE chunks SET state = 'ready'")
    assert (await hand.take()).messages == []
    second = (await hand.view(await hand.accept(5_000, lane=2, start=254_710_000_000))).id
    await hand.store.write(chunks.open_due, hand.at)
    assert await ready(hand, second) == READY_CHUNKS_MAX
    await hand.store.write(control.resume, first, hand.at)
    assert {message.broadcast_id for message in (await hand.take(100)).messages} == {first}


async def ready(hand: Hand, broadcast_id: int) -> int:
    c = t.chunks.c
    ((count,),) = await hand.all(sa.select(sa.func.count()).where(c.state == "ready", c.broadcast_id == broadcast_id))
    return int(count)


async def test_what_a_bind_has_in_hand_stays_its_own(hand: Hand) -> None:
    """A chunk in the middle: the marked ones are not touched, the others end, and the chunk ends with the last outcome."""
    accepted = await hand.accept(10)
    taken = await hand.take(4)
    view = await hand.view(accepted)
    await hand.store.write(control.cancel, view.id)
    assert (await hand.take(4)).messages == []
    assert await hand.store.write(control.cancel_slice, hand.at) == 6
    assert await hand.store.write(control.cancel_slice, hand.at) == 0
    await hand.check()
    view = await hand.view(accepted)
    assert (view.state, view.on_the_way, view.counts["cancelled"]) == ("cancelling", 4, 6)
    await hand.record([fact(message, "sent", hand.carrier_id) for message in taken.messages])
    view = await hand.view(accepted)
    assert (view.state, view.counts["sent"]) == ("cancelled", 4)
    await hand.check()


async def test_a_retry_of_a_cancelled_broadcast_ends_too(hand: Hand) -> None:
    accepted = await hand.accept(3)
    taken = await hand.take(3)
    await hand.store.write(control.cancel, (await hand.view(accepted)).id)
    facts = [fact(message, "retry", hand.carrier_id, attempt=2, due_at=hand.at) for message in taken.messages]
    await hand.record(facts)
    assert await hand.store.write(control.cancel_slice, hand.at) == 3
    assert ((await hand.view(accepted)).state, set((await hand.states()).values())) == ("cancelled", {"cancelled"})
    await hand.check()


async def test_a_cancel_takes_slices(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "SLICE", 4)
    accepted = await hand.accept(10, lane=2)
    await hand.store.write(control.cancel, (await hand.view(accepted)).id)
    assert [await hand.store.write(control.cancel_slice, hand.at) for _ in range(4)] == [4, 4, 2, 0]
    assert (await hand.view(accepted)).state == "cancelled"
    await hand.check()


async def test_a_schedule_that_came_too_late_begins_when_it_is_resumed(hand: Hand) -> None:
    accepted = await hand.accept(2, lane=2)
    view = await hand.view(accepted)
    await hand.run(f"UPDATE broadcasts SET state = 'paused', reason = 'late_schedule', not_before = 5 WHERE id = {view.id}")
    assert (await hand.store.write(control.resume, view.id, hand.at)).carriers == [hand.carrier_id]
    assert await hand.all(sa.select(t.broadcasts.c.state, t.broadcasts.c.reason, t.broadcasts.c.not_before)) == [
        ("accepted", None, hand.at)
    ]
    assert await hand.store.write(chunks.open_due, hand.at) == {hand.carrier_id}
