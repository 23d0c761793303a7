"""What is too old is deleted in slices; counters, holds and the ledger still say what became of it."""

from typing import Any

import pytest
import sqlalchemy as sa
from tests.flow.hand import DAY, HOUR, Hand, about, by_hand, fact, note

from clarion.flow import plan
from clarion.flow.order import Accepted
from clarion.flow.sweep import Sweeper
from clarion.store import Store, retention
from clarion.store import tables as t
from clarion.store.doctor import examine

ROWS = (t.messages, t.deliveries, t.attempts, t.parts, t.rejects, t.orphans, t.inbound)


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


async def count(hand: Hand, table: sa.Table) -> int:
    return int((await hand.all(sa.select(sa.func.count()).select_from(table)))[0][0])


async def sent(hand: Hand, recipients: Any, **more: Any) -> Accepted:
    """A broadcast of which everything was sent, and half was delivered."""
    accepted = await hand.accept(recipients, **more)
    await plan.plan(hand.runtime)
    while taken := (await hand.take()).messages:
        await hand.record([fact(message, "sent", hand.carrier_id) for message in taken])
        await hand.receive(*(about(message) for message in taken[::2]))
        await plan.plan(hand.runtime)
    return accepted


async def healthy(hand: Hand) -> bool:
    return await hand.store.read(examine, hand.at) == []


async def test_messages_go_and_sums_stay(hand: Hand) -> None:
    old = await sent(hand, ["254700000001", "254700000002", "254700000003", "12"])
    single = await sent(hand, ["254700000009"], text="For you alone")
    hand.clock.at += 10 * DAY
    young = await sent(hand, 2)
    before = await hand.view(old)
    assert before.counts["delivered"] == 2
    assert await hand.store.write(retention.retire, hand.at - 5 * DAY) > 0
    assert await hand.store.write(retention.retire, hand.at - 5 * DAY) == 0
    after = await hand.view(old)
    assert after == before
    assert await hand.all(sa.select(t.messages.c.broadcast_id).distinct()) == [((await hand.view(young)).id,)]
    assert [await count(hand, table) for table in (t.messages, t.deliveries, t.rejects)] == [2, 2, 0]
    assert (await hand.view(single)).text == ""
    assert after.text == "Hello"
    assert await healthy(hand)


async def test_a_large_one_goes_in_slices_and_doctor_is_content_at_each(hand: Hand) -> None:
    await sent(hand, 234, lane=2)
    hand.clock.at += 10 * DAY
    left = []
    while await hand.store.write(retention.retire, hand.at - DAY):
        left.append(await count(hand, t.messages))
        assert await healthy(hand)
        assert await count(hand, t.deliveries) == left[-1]
    assert left == [134, 34, 0]


async def test_many_rejects_go_before_the_messages(hand: Hand) -> None:
    await sent(hand, [*(str(number) for number in range(230)), "254700000001"])
    hand.clock.at += 10 * DAY
    left = []
    while await hand.store.write(retention.retire, hand.at - DAY):
        left.append((await count(hand, t.rejects), await count(hand, t.messages)))
        assert await healthy(hand)
    assert left == [(130, 1), (30, 1), (0, 0)]


async def test_what_may_still_be_charged_or_given_back_is_kept(hand: Hand) -> None:
    await hand.accept(3)
    taken = (await hand.take()).messages
    await hand.record([fact(message, state, hand.carrier_id) for message, state in zip(taken, ("sent", "unknown", "sent"), strict=True)])
    assert await hand.all(sa.select(t.broadcasts.c.state)) == [("completed",)]
    hand.clock.at += 10 * DAY
    assert await hand.store.write(retention.retire, hand.at) == 0
    await hand.record([fact(taken[1], "sent", hand.carrier_id)])
    assert await hand.store.write(retention.retire, hand.at) > 0
    assert await count(hand, t.messages) == 0
    await hand.accept(1)
    hand.clock.at += HOUR
    assert await hand.store.write(retention.retire, hand.at) == 0
    assert await count(hand, t.messages) == 1


async def test_receipts_and_texts_that_came_in(hand: Hand) -> None:
    await hand.receive(note("77", "254700000001"))
    insert = "INSERT INTO inbound (carrier_id, recipient, sender, text, data_coding, raw, part, parts, part_reference, received_at)"
    await hand.run(f"{insert} VALUES (1, '22', '254700000001', 'Hi', 0, '', 1, 1, 0, {hand.at})")
    hand.clock.at += 10 * DAY
    await hand.receive(note("78", "254700000001"))
    assert await hand.store.write(retention.forget_received, hand.at - DAY) == 2
    assert await hand.store.write(retention.forget_received, hand.at - DAY) == 0
    assert [await count(hand, table) for table in (t.orphans, t.inbound)] == [1, 0]


async def test_sweep_does_it_where_it_is_set(hand: Hand) -> None:
    first = (await hand.view(await sent(hand, 20))).first_id
    await hand.run(f"INSERT INTO attempts (message_id, attempt, outcome, ended_at) VALUES ({first}, 1, 'throttled', {hand.at})")
    await hand.run(
        f"INSERT INTO parts (message_id, attempt, part, carrier_id, state, updated_at) VALUES ({first}, 1, 1, 1, 'sent', {hand.at})"
    )
    hand.clock.at += 10 * DAY
    await Sweeper(hand.runtime, hand.settings).sweep()
    await Sweeper(hand.runtime, hand.settings, retention_days=11).sweep()
    assert await count(hand, t.messages) == 20
    await Sweeper(hand.runtime, hand.settings, retention_days=9).sweep()
    assert [await count(hand, table) for table in ROWS] == [0] * len(ROWS)
    assert await healthy(hand)


WRONG = [
    "UPDATE broadcasts SET finished_at = NULL",
    "UPDATE chunks SET delivered_count = delivered_count - 1",
    "UPDATE holds SET charged_milli = charged_milli - 1",
]


@pytest.mark.parametrize("statement", WRONG)
async def test_doctor_still_proves_what_is_left(hand: Hand, statement: str) -> None:
    await sent(hand, 4)
    hand.clock.at += 10 * DAY
    await hand.store.write(retention.retire, hand.at)
    assert await healthy(hand)
    await hand.run(statement)
    assert "retired_unsettled" in {finding.code for finding in await hand.store.read(examine, hand.at)}
