"""Scheduled broadcasts: on their time, not before and not an hour after it; the calendar moves when the test says so."""

import pytest
import sqlalchemy as sa
from tests.flow.hand import HOUR, PRICE, SECOND, Hand, by_hand, fact

from clarion.core.moments import parse_moment
from clarion.core.states import State
from clarion.flow.order import Accepted
from clarion.flow.plan import plan
from clarion.store import Store, control, doctor
from clarion.store import tables as t
from clarion.store.views import BroadcastView

DAY = 24 * HOUR


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store, available_milli=1_000 * PRICE)


async def schedule(hand: Hand, at: int, count: int = 3, *, lane: int = 2) -> Accepted:
    return await hand.accept(count, lane=lane, not_before=at)


async def look(hand: Hand, accepted: Accepted, at: int) -> BroadcastView:
    """What plan makes of it at this time."""
    hand.clock.at = at
    await plan(hand.runtime)
    return await hand.view(accepted)


async def opened(hand: Hand) -> int:
    """How many messages a bind gets."""
    return len((await hand.take()).messages)


async def exact(hand: Hand) -> None:
    await hand.check()
    assert await hand.store.read(doctor.examine, hand.at) == []


@pytest.mark.parametrize("lane", [0, 1, 2])
async def test_it_begins_on_its_time_and_not_before(hand: Hand, lane: int) -> None:
    due = hand.at + DAY
    accepted = await schedule(hand, due, lane=lane)
    ((held,),) = await hand.all(sa.select(t.holds.c.amount_milli))
    assert held == 3 * PRICE, "its money is held from accept"
    assert (await look(hand, accepted, due - 1)).state == "accepted"
    assert await opened(hand) == 0
    assert (await look(hand, accepted, due)).state == "accepted"
    assert await opened(hand) == 3
    await exact(hand)


async def test_an_hour_late_still_goes_and_more_waits_for_a_person(hand: Hand) -> None:
    due = hand.at + DAY
    on_time, late = await schedule(hand, due), await schedule(hand, due - 1)
    assert (await look(hand, on_time, due + HOUR)).state == "accepted"
    view = await hand.view(late)
    assert (view.state, view.reason, view.not_before) == ("paused", control.LATE_SCHEDULE, due - 1)
    assert await opened(hand) == 3, "only the one that is on time"
    ((held,),) = await hand.all(sa.select(sa.func.sum(t.holds.c.amount_milli)))
    assert held == 6 * PRICE, "what waits keeps its money"
    await exact(hand)


async def test_a_person_lets_a_late_one_go(hand: Hand) -> None:
    due = hand.at + DAY
    accepted = await schedule(hand, due)
    assert (await look(hand, accepted, due + 5 * HOUR)).state == "paused"
    assert (await look(hand, accepted, due + 9 * HOUR)).state == "paused"
    await hand.store.write(control.resume, (await hand.view(accepted)).id, hand.at)
    view = await look(hand, accepted, hand.at + 1 * SECOND)
    assert (view.state, view.reason) == ("accepted", None)
    assert await opened(hand) == 3
    await exact(hand)


async def test_a_person_calls_a_late_one_off(hand: Hand) -> None:
    due = hand.at + DAY
    accepted = await schedule(hand, due)
    view = await look(hand, accepted, due + 5 * HOUR)
    await hand.store.write(control.cancel, view.id)
    while await hand.store.write(control.cancel_slice, hand.at):
        pass
    assert (await hand.view(accepted)).state == "cancelled"
    ((available,),) = await hand.all(sa.select(t.wallets.c.available_milli))
    assert available == 1_000 * PRICE
    await exact(hand)


async def test_one_that_was_paused_over_its_time_goes_when_it_is_resumed(hand: Hand) -> None:
    due = hand.at + DAY
    accepted = await schedule(hand, due)
    broadcast_id = (await hand.view(accepted)).id
    await hand.store.write(control.pause, broadcast_id)
    assert (await look(hand, accepted, due + 3 * HOUR)).state == "paused"
    await hand.store.write(control.resume, broadcast_id, hand.at)
    assert (await look(hand, accepted, hand.at + 1)).state == "accepted"
    assert await opened(hand) == 3


async def test_one_that_is_resumed_before_its_time_waits_for_it(hand: Hand) -> None:
    due = hand.at + DAY
    accepted = await schedule(hand, due)
    broadcast_id = (await hand.view(accepted)).id
    await hand.store.write(control.pause, broadcast_id)
    await hand.store.write(control.resume, broadcast_id, hand.at)
    assert (await look(hand, accepted, due - 1)).not_before == due
    assert await opened(hand) == 0
    await look(hand, accepted, due)
    assert await opened(hand) == 3


async def test_one_that_was_opened_and_never_marked_is_late_too(hand: Hand) -> None:
    """A server that died between both, or a carrier that was not there: nobody got a text yet, and nobody should at night."""
    due = hand.at + DAY
    accepted = await schedule(hand, due)
    await look(hand, accepted, due)
    assert await hand.all(sa.select(t.chunks.c.state)) == [("ready",)]
    view = await look(hand, accepted, due + HOUR + 1)
    assert (view.state, view.reason) == ("paused", control.LATE_SCHEDULE)
    assert await hand.all(sa.select(t.chunks.c.state)) == [("waiting",)]
    assert await opened(hand) == 0
    await exact(hand)


async def test_one_that_has_begun_goes_on_however_long_it_takes(hand: Hand) -> None:
    due = hand.at + DAY
    accepted = await hand.accept(1_000, lane=2, not_before=due)
    await look(hand, accepted, due)
    first = (await hand.take(room=100)).messages
    assert len(first) == 100
    assert (await look(hand, accepted, due + 5 * HOUR)).state == "accepted"
    await hand.record([fact(message, State.SENT) for message in first])
    assert len((await hand.take(room=2_000)).messages) == 900


async def test_what_is_not_scheduled_is_never_late(hand: Hand) -> None:
    accepted = await hand.accept(3, lane=2)
    assert (await look(hand, accepted, hand.at + 10 * HOUR)).state == "accepted"
    assert await opened(hand) == 3


async def test_on_a_fast_calendar_an_hour_passes_between_two_looks(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    due = hand.at + DAY
    accepted = await schedule(hand, due)
    monkeypatch.setattr(hand.clock, "rate", 3_600.0)
    assert (await look(hand, accepted, due + 2 * HOUR)).state == "accepted"
    assert await opened(hand) == 3


@pytest.mark.parametrize(
    ("written", "begins"),
    [
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),  # the hour that Berlin leaves out: 03:30
        ("2026-03-29T03:30:00", "2026-03-29T01:30:00Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),  # the hour that comes twice: the first
        ("2026-10-25T03:30:00", "2026-10-25T02:30:00Z"),
    ],
)
async def test_across_a_daylight_saving_change(hand: Hand, written: str, begins: str) -> None:
    due, at = parse_moment(written, "Europe/Berlin"), parse_moment(begins, "UTC")
    assert due is not None
    assert at is not None
    hand.clock.at = at - DAY
    accepted = await schedule(hand, due)
    await look(hand, accepted, at - 1)
    assert await opened(hand) == 0
    await look(hand, accepted, at)
    assert await opened(hand) == 3
