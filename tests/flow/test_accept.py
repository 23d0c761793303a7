"""Accept: what becomes of every recipient of an order, and of an accept that was cut off."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from tests.flow.hand import PRICE, SECOND, Hand, by_hand

from clarion.flow import accept as stage
from clarion.flow.accept import SLICE
from clarion.flow.order import Accepted
from clarion.flow.sweep import ABANDONED_MICROS, Sweeper
from clarion.store import Store, broadcasts
from clarion.store import tables as t
from clarion.store.broadcasts import Draft, Shortfall, Terms

MESSAGES = sa.select(t.messages.c.id, t.messages.c.recipient, t.messages.c.price_milli).order_by(t.messages.c.id)
REJECTS = sa.select(t.rejects.c.position, t.rejects.c.recipient, t.rejects.c.reason).order_by(t.rejects.c.position)
CHUNKS = sa.select(t.chunks.c.id, t.chunks.c.last_id, t.chunks.c.carrier_id, t.chunks.c.state).order_by(t.chunks.c.id)


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


async def suppress(hand: Hand, recipient: int, reason: str = "STOP") -> None:
    await hand.run(f"INSERT INTO suppressions VALUES ({hand.organization.id}, {recipient}, '{reason}', {hand.at})")


def reasons(accepted: Accepted) -> dict[str, str]:
    return {accepted.recipients[index]: rejection.reason for index, rejection in accepted.rejections.items()}


async def test_one_row_for_a_number_in_whatever_spelling(hand: Hand) -> None:
    """The first spelling is echoed; what is no number is a duplicate only of the same text."""
    accepted = await hand.accept(["0712345678", "+254712345678", "254 712-345-678", "00254712345678", "nonsense", "nonsense", "Nonsense"])
    assert accepted.recipients == ["0712345678", "nonsense", "Nonsense"]
    assert accepted.numbers == [254_712_345_678, 0, 0]
    assert accepted.offsets == [1, 0, 0]
    assert [recipient for _, recipient, _ in await hand.all(MESSAGES)] == [254_712_345_678]
    await hand.check()


async def test_a_bad_number_fails_alone(hand: Hand) -> None:
    accepted = await hand.accept(["254700000001", "12", "", "254700000002", "x" * 200])
    assert reasons(accepted) == {"12": "invalid_number", "": "invalid_number", "x" * 200: "invalid_number"}
    assert accepted.offsets == [1, 0, 0, 2, 0]
    assert await hand.all(REJECTS) == [(1, "12", "invalid_number"), (2, "", "invalid_number"), (4, "x" * 64, "invalid_number")]
    view = await hand.view(accepted)
    assert (view.recipients, view.rejected, view.state) == (2, 3, "accepted")
    await hand.check()


async def test_opted_out_at_accept_is_no_message_and_no_price(hand: Hand) -> None:
    other = await hand.organize("other")
    await suppress(hand, 254_700_000_001)
    accepted = await hand.accept(3)
    assert reasons(accepted) == {"254700000001": "opted_out"}
    assert len(await hand.all(MESSAGES)) == 2
    assert reasons(await hand.accept(3, organization=other)) == {}, "another organization's opt-outs are its own"
    await hand.check()


async def test_no_route_is_refused(hand: Hand) -> None:
    await hand.run("UPDATE routes SET prefix = '254'")
    await hand.run("UPDATE settings SET version = version + 1")
    await hand.settings.refresh()
    accepted = await hand.accept(["254700000001", "+15551234567"])
    assert reasons(accepted) == {"+15551234567": "no_route"}
    await hand.check()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("text", "refused"), [("x" * 1_530, False), ("x" * 1_531, True), ("ж" * 670, False), ("ж" * 671, True)])
async def test_ten_segments_are_the_most(hand: Hand, text: str, refused: bool) -> None:
    accepted = await hand.accept(1, text=text)
    assert reasons(accepted) == ({"254700000000": "too_long"} if refused else {})
    assert [price for _, _, price in await hand.all(MESSAGES)] == ([] if refused else [10 * PRICE])
    assert (await hand.view(accepted)).state == ("completed" if refused else "accepted")
    await hand.check()


async def test_ten_thousand_over_three_carriers(hand: Hand) -> None:
    """Chunks are ranges of one carrier, at most 500 long, without a hole; an offset leads back to its recipient."""
    two, three = await hand.carrier("two", "25471", "2.00"), await hand.carrier("three", "25472", "3.00")
    recipients = [str(254_700_000_000 + k % 3 * 10_000_000 + k) for k in range(10_000)]
    accepted = await hand.accept(recipients, lane=2)
    view = await hand.view(accepted)
    messages = await hand.all(MESSAGES)
    assert [message_id for message_id, _, _ in messages] == list(range(view.first_id, view.last_id + 1))
    by_offset = {message_id - view.first_id + 1: recipient for message_id, recipient, _ in messages}
    assert [by_offset[offset] for offset in accepted.offsets] == list(map(int, recipients))
    carriers = {"254700": hand.carrier_id, "254710": two, "254720": three}
    prices = {hand.carrier_id: PRICE, two: 2 * PRICE, three: 3 * PRICE}
    chunks = await hand.all(CHUNKS)
    assert [chunk_id for chunk_id, *_ in chunks] == [view.first_id] + [last_id + 1 for _, last_id, *_ in chunks[:-1]]
    assert chunks[-1][1] == view.last_id
    for chunk_id, last_id, carrier_id, state in chunks:
        assert last_id - chunk_id < SLICE
        assert state == "waiting"
        for _, recipient, price in messages[chunk_id - view.first_id : last_id - view.first_id + 1]:
            assert (carriers[str(recipient)[:6]], prices[carrier_id]) == (carrier_id, price)
    await hand.check()


async def test_accepted_twice_is_two_broadcasts(hand: Hand) -> None:
    """Nothing here knows that it is the same request."""
    first, second = await hand.accept(3), await hand.accept(3)
    assert first.broadcast_id != second.broadcast_id
    assert len(await hand.all(MESSAGES)) == 6
    await hand.check()


async def test_nothing_of_an_order_that_must_be_paid_whole_is_kept(store: Store) -> None:
    hand = await by_hand(store, available_milli=2 * PRICE)
    with pytest.raises(Shortfall) as raised:
        await hand.accept(3, partial=False)
    assert (raised.value.required_milli, raised.value.available_milli) == (3 * PRICE, 2 * PRICE)
    for table in (t.broadcasts, t.messages, t.chunks, t.holds, t.rejects):
        assert await hand.all(sa.select(sa.func.count()).select_from(table)) == [(0,)]
    await hand.check()


class Frozen(Exception):
    """The process is gone in the middle of an accept."""


async def cut_off(hand: Hand, monkeypatch: pytest.MonkeyPatch, count: int = 1_200) -> None:
    """An accept that reserves, stores its first slices, and never publishes."""

    async def first_slice(runtime: Any, _turn: Any, body: Any, reserved: Any, places: Any) -> None:
        await runtime.store.write(
            broadcasts.add_messages, body.records(reserved, places[:SLICE], 0), reserved.broadcast_id, runtime.clock.now()
        )
        raise Frozen

    with monkeypatch.context() as patched:
        patched.setattr(stage, "_add_slices", first_slice)
        with pytest.raises(Frozen):
            await hand.accept(count, lane=2)


async def test_an_accept_that_was_cut_off_is_dropped_after_ten_minutes(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then its money is held and nobody sees it; then the money is back, and no message is on the road."""
    sweeper = Sweeper(hand.runtime, hand.settings)
    before = await hand.all(sa.select(t.wallets.c.available_milli))
    await cut_off(hand, monkeypatch)
    assert await hand.all(sa.select(t.broadcasts.c.state)) == [("accepting",)]
    assert len(await hand.all(MESSAGES)) == SLICE
    hand.clock.at += ABANDONED_MICROS - SECOND
    await sweeper.sweep()
    assert await hand.all(sa.select(t.broadcasts.c.state)) == [("accepting",)]
    assert await hand.all(sa.select(t.wallets.c.available_milli)) != before
    hand.clock.at += 2 * SECOND
    for _ in range(2):
        await sweeper.sweep()
        assert await hand.all(sa.select(t.broadcasts.c.state, t.broadcasts.c.reason)) == [("cancelled", "accept_interrupted")]
        assert await hand.all(sa.select(t.wallets.c.available_milli)) == before
    assert await hand.all(MESSAGES) == []
    assert await hand.all(CHUNKS) == []
    assert (await hand.take()).messages == []
    await hand.check()


async def test_an_accept_that_was_dropped_cannot_be_published(hand: Hand) -> None:
    """The process only slept: its last step must not put chunks without messages, and without money, on the road."""
    draft = Draft(hand.runtime.ids.broadcast(hand.at), hand.organization.id, None, "talkntalk", 2, None, "Hello", None, None, hand.at)
    reserved = await hand.store.write(broadcasts.reserve, draft, [PRICE], Terms(True, 0))
    hand.clock.at += ABANDONED_MICROS + 1
    await hand.store.write(broadcasts.drop_abandoned, hand.at, hand.at)
    record = (reserved.first_id, reserved.broadcast_id, hand.organization.id, 254_700_000_000, None, None, "gsm7", 1, PRICE)
    with pytest.raises(broadcasts.Abandoned):
        await hand.store.write(broadcasts.add_messages, [record], reserved.broadcast_id, hand.at)
    chunk = broadcasts.ChunkDraft(reserved.first_id, reserved.first_id, hand.carrier_id)
    with pytest.raises(broadcasts.Abandoned):
        await hand.store.write(broadcasts.publish, reserved.broadcast_id, draft, [chunk], [])
    assert await hand.all(sa.select(t.broadcasts.c.state)) == [("cancelled",)]
    assert await hand.all(MESSAGES) == []
    assert await hand.all(CHUNKS) == []
    await hand.check()


async def test_a_slow_accept_that_goes_on_storing_slices_is_left_alone(hand: Hand) -> None:
    draft = Draft(hand.runtime.ids.broadcast(hand.at), hand.organization.id, None, "talkntalk", 2, None, "Hello", None, None, hand.at)
    reserved = await hand.store.write(broadcasts.reserve, draft, [PRICE], Terms(True, 0))
    for _ in range(3):
        hand.clock.at += ABANDONED_MICROS - SECOND
        assert await hand.store.write(broadcasts.drop_abandoned, hand.at - ABANDONED_MICROS, hand.at) is None
        await hand.store.write(broadcasts.add_messages, [], reserved.broadcast_id, hand.at)


async def test_accepts_at_once_have_ranges_of_their_own(hand: Hand) -> None:
    done = await asyncio.gather(*(hand.accept(700, start=254_700_000_000 + k * 1_000) for k in range(4)))
    views = [await hand.view(accepted) for accepted in done]
    ids = [message_id for view in views for message_id in range(view.first_id, view.last_id + 1)]
    assert len(set(ids)) == 2_800
    assert await hand.all(
        sa.text("SELECT count(*) FROM messages m JOIN broadcasts b ON b.id = m.broadcast_id AND m.id BETWEEN b.first_id AND b.last_id")
    ) == [(2_800,)]
    await hand.check()


class StepTimer:
    """Each look at the clock takes a while; what is slept is written down."""

    def __init__(self, look_s: float) -> None:
        self._look_s = look_s
        self._now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        self._now += self._look_s
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._now += seconds
        await asyncio.sleep(0)


async def accept_with(hand: Hand, timer: StepTimer, recipients: int) -> None:
    hand.runtime = replace(hand.runtime, timer=timer)
    accepted = await hand.accept(recipients)
    assert len(accepted.offsets) == recipients


async def test_a_long_order_keeps_the_loop_no_longer_than_a_turn_whatever_its_numbers_cost(hand: Hand) -> None:
    quick, slow = StepTimer(0.0), StepTimer(stage.TURN_S)
    await accept_with(hand, quick, 1_000)
    assert quick.slept == []
    await accept_with(hand, slow, 1_000)
    # Read, prepared, stored: at each look where nothing else waits.
    assert slow.slept.count(0) >= 2 * 1_000 / stage.STEP
    assert set(slow.slept) == {0}


async def test_a_long_order_gives_way_to_a_short_one_but_not_for_ever(hand: Hand) -> None:
    look_s, longest_s = stage.COURTESY_S
    timer = StepTimer(stage.TURN_S)
    with hand.runtime.short_orders.one_more():
        await accept_with(hand, timer, 501)
    turns = timer.slept.count(0)
    assert timer.slept.count(look_s) >= turns
    assert timer.slept.count(look_s) * look_s <= turns * longest_s
    assert hand.runtime.short_orders.count == 0
    await hand.accept(1)
    assert hand.runtime.short_orders.count == 0
