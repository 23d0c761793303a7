"""Planning and marking twice and late, step by step on a clock that stands still: what was done stays done, and once."""

import asyncio
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa
from tests.conftest import MakeStore
from tests.flow.hand import DAY, HOUR, Hand, by_hand, fact

from clarion.flow import plan
from clarion.store import Store, chunks, marks
from clarion.store import tables as t
from clarion.store.chunks import READY_CHUNKS_MAX
from clarion.store.facts import AttemptFact
from clarion.store.marks import TURN_MESSAGES

CHUNKS = sa.select(t.chunks.c.id, t.chunks.c.state).order_by(t.chunks.c.id)
DELIVERIES = sa.select(t.deliveries.c.message_id, t.deliveries.c.state, t.deliveries.c.reason).order_by(t.deliveries.c.message_id)


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


async def count(hand: Hand, state: str, **where: Any) -> int:
    query = sa.select(sa.func.count()).select_from(t.chunks).where(t.chunks.c.state == state)
    for name, value in where.items():
        query = query.where(t.chunks.c[name] == value)
    ((number,),) = await hand.all(query)
    return int(number)


async def everything(hand: Hand) -> list[Any]:
    """All rows that stages write, to compare before and after."""
    tables = (t.broadcasts, t.chunks, t.deliveries, t.attempts, t.parts, t.orphans, t.holds, t.ledger, t.ledger_lines, t.wallets)
    return [sorted(map(repr, await hand.all(sa.select(table)))) for table in tables]


class TestPlan:
    async def test_it_opens_eight_for_each_and_no_more_however_often(self, hand: Hand) -> None:
        """By organization, carrier and lane; the single send's chunk was open at once."""
        other = await hand.organize("other")
        two = await hand.carrier("two", "25471")
        await hand.accept(6_000, lane=2)
        await hand.accept(6_000, lane=2, start=254_710_000_000)
        await hand.accept(5_000, lane=2, organization=other)
        await hand.accept(1, lane=0)
        assert await count(hand, "ready") == 1
        for _ in range(3):
            await plan.plan(hand.runtime)
            assert await count(hand, "ready", lane=2, carrier_id=two) == READY_CHUNKS_MAX
            assert await count(hand, "ready", lane=2, organization_id=other.id) == READY_CHUNKS_MAX
            assert await count(hand, "ready", lane=2) == 3 * READY_CHUNKS_MAX
        await hand.check()

    async def test_what_was_taken_is_opened_again_in_order(self, hand: Hand) -> None:
        accepted = await hand.accept(6_000, lane=2)
        await plan.plan(hand.runtime)
        taken = await hand.take(1_200)
        assert taken.exhausted
        assert [message.message_id for message in taken.messages] == list(range(1, 1_201))
        await plan.plan(hand.runtime)
        ready = [chunk_id for chunk_id, state in await hand.all(CHUNKS) if state == "ready"]
        assert ready == [1 + 500 * k for k in range(3, 3 + READY_CHUNKS_MAX)]
        assert (await hand.view(accepted)).counts["waiting"] == 6_000 - 1_200

    async def test_nothing_opens_before_its_time_nor_while_it_is_paused(self, hand: Hand) -> None:
        await hand.accept(1_000, lane=2)
        await hand.run(f"UPDATE chunks SET opens_at = {hand.at + HOUR}")
        assert await hand.store.write(chunks.open_due, hand.at + HOUR - 1) == set()
        await hand.run("UPDATE broadcasts SET state = 'paused'")
        assert await hand.store.write(chunks.open_due, hand.at + HOUR) == set()
        await hand.run("UPDATE broadcasts SET state = 'accepted'")
        assert await hand.store.write(chunks.open_due, hand.at + HOUR) == {hand.carrier_id}
        assert await hand.store.write(chunks.open_due, hand.at + DAY) == set(), "late and twice: nothing is left to open"
        assert await count(hand, "ready") == 2

    async def test_it_rings_the_carriers_that_it_opened_for(self, hand: Hand) -> None:
        await hand.accept(10, lane=2)
        listener = hand.runtime.broker.listen([f"carrier.{hand.carrier_id}", *_topics(hand)])
        await plan.plan(hand.runtime)
        assert await listener.wait(0.0)
        await plan.plan(hand.runtime)
        assert not await listener.wait(0.0)
        listener.close()

    async def test_planners_at_once_open_what_one_opens(self, make_store: MakeStore) -> None:
        stores = [await make_store() for _ in range(4)]
        hand = await by_hand(stores[0])
        await hand.accept(5_000, lane=2)
        await asyncio.gather(*(store.write(chunks.open_due, hand.at) for store in stores))
        assert READY_CHUNKS_MAX <= await count(hand, "ready") < 2 * READY_CHUNKS_MAX
        await hand.check()


def _topics(hand: Hand) -> list[str]:
    from clarion.broker.interface import carrier_topic

    return [carrier_topic(hand.carrier_id)]


class TestTake:
    async def test_every_message_is_marked_once(self, hand: Hand) -> None:
        await hand.accept(30)
        first, second = await hand.take(20), await hand.take(20)
        assert [m.message_id for m in [*first.messages, *second.messages]] == list(range(1, 31))
        assert (await hand.take()).messages == []
        assert (first.more, second.more) == (True, False)
        await hand.check()

    async def test_another_fence_marks_nothing(self, hand: Hand) -> None:
        """The bind was taken over: whoever held it before is told, and no row has changed."""
        await hand.accept(10)
        old = await hand.lease()
        new = await hand.lease(owner=999)
        before = await everything(hand)
        taken = await hand.take(lease=old)
        assert (taken.fenced, taken.messages) == (True, [])
        assert await everything(hand) == before
        assert len((await hand.take(lease=new)).messages) == 10

    async def test_what_a_lost_owner_marked_is_unknown_at_the_takeover_and_is_not_taken_again(self, hand: Hand) -> None:
        await hand.accept(10)
        await hand.take(4)
        lease = await hand.lease(owner=999)
        assert lease.in_doubt == 4
        assert await hand.states() == dict.fromkeys(range(1, 5), "unknown")
        assert [m.message_id for m in (await hand.take(lease=lease)).messages] == list(range(5, 11))
        await hand.check()

    async def test_a_lower_lane_goes_first_and_bulk_leaves_room_for_it(self, hand: Hand) -> None:
        await hand.accept(600, lane=2)
        await plan.plan(hand.runtime)
        await hand.accept(3, lane=1, start=254_711_000_000)
        await hand.accept(2, lane=0, start=254_712_000_000)
        taken = await hand.take(20, bulk_room=10)
        assert Counter(message.lane for message in taken.messages) == {0: 2, 1: 3, 2: 10}
        assert [message.lane for message in (await hand.take(20, bulk_room=0)).messages] == []
        await hand.accept(1, lane=0, start=254_713_000_000)
        assert [message.lane for message in (await hand.take(20, bulk_room=0)).messages] == [0]

    async def test_the_organization_with_the_fewest_in_flight_goes_first_in_turns(self, hand: Hand) -> None:
        """A late and small customer is not behind a blast; both share what room there is."""
        other = await hand.organize("other")
        await hand.accept(2_000, lane=2)
        await hand.accept(2_000, lane=2, organization=other)
        await plan.plan(hand.runtime)
        taken = await hand.take(4 * TURN_MESSAGES, in_flight={hand.organization.id: 2 * TURN_MESSAGES})
        mine = sum(message.organization_id == hand.organization.id for message in taken.messages)
        assert (mine, len(taken.messages)) == (TURN_MESSAGES, 4 * TURN_MESSAGES)
        even = await hand.take(4 * TURN_MESSAGES)
        assert sum(message.organization_id == other.id for message in even.messages) == 2 * TURN_MESSAGES

    async def test_opted_out_since_accept_is_passed_over_and_released(self, hand: Hand) -> None:
        await hand.accept(4)
        for recipient in (254_700_000_001, 254_700_000_003):
            await hand.run(f"INSERT INTO suppressions VALUES ({hand.organization.id}, {recipient}, 'STOP', 1)")
        assert [m.message_id for m in (await hand.take()).messages] == [1, 3]
        assert await hand.all(DELIVERIES) == [(2, "suppressed", "opted_out: STOP"), (4, "suppressed", "opted_out: STOP")]
        await hand.check()

    async def test_what_is_not_valid_any_more_is_passed_over_and_released(self, hand: Hand) -> None:
        accepted = await hand.accept(3)
        hand.clock.at += 3 * DAY
        assert (await hand.take()).messages == []
        view = await hand.view(accepted)
        assert (view.counts["expired"], view.state) == (3, "completed")
        await hand.check()

    async def test_a_retry_is_marked_when_it_is_due_and_once(self, hand: Hand) -> None:
        await hand.accept(2)
        first, second = (await hand.take()).messages
        late = hand.at + HOUR
        reached = AttemptFact(first.message_id, 1, hand.carrier_id, None, "throttled", None)
        await hand.record(
            [fact(first, "retry", hand.carrier_id, attempt=2, due_at=late), fact(second, "sent", hand.carrier_id)], attempts=[reached]
        )
        assert (await hand.take()).messages == []
        hand.clock.at = late
        (again,) = (await hand.take()).messages
        assert (again.message_id, again.attempt) == (first.message_id, 2)
        assert (await hand.take(slot=1)).messages == []
        assert (await hand.states())[first.message_id] == "marked"
        await hand.record([fact(again, "sent", hand.carrier_id)])
        assert (await hand.states())[first.message_id] == "sent"
        await hand.check()

    async def test_a_retry_goes_by_its_lane(self, hand: Hand) -> None:
        """A single send that is tried again does not wait for room that bulk may have, behind bulk's retries."""
        await hand.accept(8, lane=2)
        await plan.plan(hand.runtime)
        bulk = (await hand.take()).messages
        await hand.record([fact(message, "retry", hand.carrier_id, attempt=2, due_at=hand.at - 1) for message in bulk])
        for lane in (0, 1):
            await hand.accept(1, lane=lane, start=254_711_000_000)
        quick = (await hand.take(bulk_room=0)).messages
        await hand.record([fact(message, "retry", hand.carrier_id, attempt=2, due_at=hand.at) for message in quick])
        again = await hand.take(bulk_room=0)
        assert sorted((message.lane, message.attempt) for message in again.messages) == [(0, 2), (1, 2)]
        assert again.more
        await hand.record([fact(message, "retry", hand.carrier_id, attempt=3, due_at=hand.at) for message in again.messages])
        assert Counter(message.lane for message in (await hand.take(6)).messages) == {0: 1, 1: 1, 2: 4}
        assert Counter(message.lane for message in (await hand.take(6)).messages) == {2: 4}
        await hand.check()

    async def test_retries_beyond_the_room_are_more(self, hand: Hand) -> None:
        """Whoever put them back must not wait for a poll between two windows of them."""
        await hand.accept(10)
        messages = (await hand.take()).messages
        await hand.record([fact(message, "retry", hand.carrier_id, attempt=2, due_at=hand.at) for message in messages])
        first, second = await hand.take(6), await hand.take(6)
        assert (len(first.messages), first.more) == (6, True)
        assert (len(second.messages), second.more) == (4, False)

    @pytest.mark.parametrize("ending", ["suppressed", "expired"])
    async def test_a_retry_that_must_not_go_out_any_more_ends(self, hand: Hand, ending: str) -> None:
        accepted = await hand.accept(1)
        (message,) = (await hand.take()).messages
        await hand.record([fact(message, "retry", hand.carrier_id, attempt=2, due_at=hand.at)])
        if ending == "expired":
            hand.clock.at += 3 * DAY
        else:
            await hand.run(f"INSERT INTO suppressions VALUES ({hand.organization.id}, {message.recipient}, 'STOP', 1)")
        assert (await hand.take()).messages == []
        assert (await hand.states())[message.message_id] == ending
        assert (await hand.view(accepted)).state == "completed"
        await hand.check()

    async def test_a_retry_in_doubt_is_unknown_after_a_takeover(self, hand: Hand) -> None:
        await hand.accept(1)
        (message,) = (await hand.take()).messages
        await hand.record([fact(message, "retry", hand.carrier_id, attempt=2, due_at=hand.at)])
        await hand.take()
        other = await hand.lease(slot=1)
        assert other.in_doubt == 0, "the bind that marked it lives"
        assert (await hand.lease(owner=999)).in_doubt == 1
        assert await hand.states() == {message.message_id: "unknown"}
        await hand.check()

    async def test_a_paused_broadcast_is_left_alone(self, hand: Hand) -> None:
        await hand.accept(5)
        await hand.take(2)
        await hand.run("UPDATE broadcasts SET state = 'paused'")
        assert (await hand.take()).messages == []
        await hand.run("UPDATE broadcasts SET state = 'accepted'")
        assert len((await hand.take()).messages) == 3

    async def test_eight_binds_at_once_mark_every_message_once(self, make_store: MakeStore) -> None:
        """Of several processes on PostgreSQL, retries among them."""
        stores = [await make_store() for _ in range(4)]
        hand = await by_hand(stores[0])
        await hand.accept(1_500)
        before = (await hand.take(300)).messages
        await hand.record([fact(message, "retry", hand.carrier_id, attempt=2, due_at=hand.at) for message in before])
        leases = [await hand.lease(slot) for slot in range(8)]

        async def drain(k: int) -> list[tuple[int, int]]:
            marked: list[tuple[int, int]] = []
            while True:
                lease = leases[k]
                args: tuple[Any, ...] = (lease.bind_id, hand.carrier_id, lease.fence, 70, 70, {}, hand.at)
                taken = await stores[k % 4].write(marks.take, *args)
                marked += [(message.message_id, message.attempt) for message in taken.messages]
                if not taken.messages and not taken.more:
                    return marked

        done = [one for some in await asyncio.gather(*(drain(k) for k in range(8))) for one in some]
        assert len(done) == len(set(done))
        assert {message_id for message_id, _ in done} == set(range(1, 1_501))
        await hand.check()
