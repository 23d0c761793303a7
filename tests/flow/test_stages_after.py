"""Outcomes, receipts and sweeps twice and late, step by step on a clock that stands still: what was done stays done, and once."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from tests.conftest import MakeStore
from tests.flow.hand import DAY, HOUR, PRICE, SECOND, Hand, about, by_hand, fact

from clarion.carriers.interface import InboundText, Receipt
from clarion.flow import plan
from clarion.flow.receive import Receiver
from clarion.flow.sweep import Sweeper
from clarion.store import Store, binds, carriers, housekeeping, marks, reroutes
from clarion.store import tables as t
from clarion.store.facts import AttemptFact
from clarion.store.outcomes import LateAnswer

DELIVERIES = sa.select(t.deliveries.c.message_id, t.deliveries.c.state, t.deliveries.c.reason).order_by(t.deliveries.c.message_id)
MONEY = sa.select(t.wallets.c.available_milli)


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


class TestOutcomes:
    async def test_twice_is_once(self, hand: Hand) -> None:
        await hand.accept(4)
        messages = (await hand.take()).messages
        facts = [fact(m, state, hand.carrier_id) for m, state in zip(messages, ["sent", "refused", "unknown", "retry"], strict=True)]
        facts[3] = facts[3]._replace(attempt=2, due_at=hand.at)
        await hand.record(facts)
        before = await everything(hand)
        await hand.record(facts)
        await hand.record([*facts, *reversed(facts)])
        assert await everything(hand) == before
        await hand.check()

    async def test_late_answers_end_what_was_unknown(self, hand: Hand) -> None:
        """Sent is charged then, refused released; a second time, and after a receipt, they change nothing."""
        await hand.accept(3)
        messages = (await hand.take()).messages
        await hand.record([fact(message, "unknown", hand.carrier_id) for message in messages])
        late = [
            LateAnswer(messages[0].message_id, 1, "sent", f"r{messages[0].message_id}", None),
            LateAnswer(messages[1].message_id, 1, "refused", None, "ESME_RINVDSTADR"),
        ]
        await hand.record([], late=late)
        await hand.receive(about(messages[0]))
        before = await everything(hand)
        await hand.record([], late=late)
        assert [state for _, state, _ in await hand.all(DELIVERIES)] == ["delivered", "refused", "unknown"]
        assert await everything(hand) == before
        await hand.check()

    @pytest.mark.parametrize("second", ["sent", "refused"])
    async def test_late_answers_to_two_attempts_in_one_batch_are_both_recorded(self, hand: Hand, second: str) -> None:
        """Of what was sent again after silence, to the same carrier."""
        await hand.accept(1)
        (message,) = (await hand.take()).messages
        silent = AttemptFact(message.message_id, 1, hand.carrier_id, None, "unknown", None)
        await hand.record([fact(message, "unknown", hand.carrier_id)])
        await hand.record([fact(message, "retry", hand.carrier_id, attempt=2, due_at=hand.at)], attempts=[silent])
        (again,) = (await hand.take()).messages
        await hand.record([fact(again, "unknown", hand.carrier_id)])
        answers = [LateAnswer(message.message_id, 2, second, None, None), LateAnswer(message.message_id, 1, "sent", "77", None)]
        await hand.record([], late=answers)
        assert await hand.states() == {message.message_id: second}
        assert await hand.all(sa.select(t.attempts.c.attempt, t.attempts.c.receipt, t.attempts.c.carrier_reference)) == [(1, "sent", "77")]
        await hand.check()

    async def test_a_late_answer_after_the_end_changes_nothing(self, hand: Hand) -> None:
        await hand.accept(1)
        (message,) = (await hand.take()).messages
        await hand.record([fact(message, "unknown", hand.carrier_id)])
        hand.clock.at += 4 * DAY
        await hand.store.write(housekeeping.close_unknowns, hand.at)
        await hand.record([], late=[LateAnswer(message.message_id, 1, "sent", "77", None)])
        assert await hand.states() == {message.message_id: "undetermined"}
        await hand.check()

    async def test_outcomes_of_two_processes_about_one_message_count_once(self, make_store: MakeStore) -> None:
        """The old owner of a bind still records what it heard while the new one writes its doubt."""
        stores = [await make_store() for _ in range(4)]
        hand = await by_hand(stores[0])
        await hand.accept(200)
        messages = (await hand.take()).messages
        hands = [Hand(hand.runtime.__class__(*_with(hand, store)), hand.clock, hand.settings, hand.organization, 1) for store in stores]
        await asyncio.gather(
            *(
                hands[k].record([fact(m, "sent" if k % 2 else "unknown", hand.carrier_id) for m in (messages if k < 2 else messages[::-1])])
                for k in range(4)
            )
        )
        assert set((await hand.states()).values()) == {"sent"}
        await hand.check()


def _with(hand: Hand, store: Store) -> tuple[Any, ...]:
    runtime = hand.runtime
    return (runtime.clock, runtime.timer, runtime.ids, runtime.random, store, runtime.broker)


class TestReceive:
    async def test_twice_on_two_binds_and_late_is_once(self, hand: Hand) -> None:
        await hand.accept(2)
        messages = (await hand.take()).messages
        await hand.record([fact(message, "sent", hand.carrier_id) for message in messages])
        receipts = [
            Receipt(f"r{m.message_id}", str(m.recipient), "CLARION", state, "", -1, b"", k)
            for k, (m, state) in enumerate(zip(messages, ["delivered", "undelivered"], strict=True))
        ]
        one, two = (Receiver(hand.runtime, hand.carrier_id, None) for _ in range(2))
        await asyncio.gather(one.receive(receipts), two.receive(receipts))
        before = await everything(hand)
        hand.clock.at += 3 * DAY
        await two.receive([*receipts, *receipts])
        assert await everything(hand) == before
        assert [state for _, state, _ in await hand.all(DELIVERIES)] == ["delivered", "undelivered"]
        await hand.check()

    async def test_texts_become_rows_beside_receipts(self, hand: Hand) -> None:
        receiver = Receiver(hand.runtime, hand.carrier_id, None)
        text = InboundText(1, "254700000001", "CLARION", "STOP", 0, b"STOP")
        await receiver.receive([text, Receipt("77", "254700000001", "CLARION", "delivered", "", -1, b"", 2)])
        assert await hand.all(sa.select(t.inbound.c.sender, t.inbound.c.text)) == [("254700000001", "STOP")]
        assert await hand.all(sa.select(t.orphans.c.carrier_reference)) == [("77",)]


class TestSweep:
    async def test_unknowns_are_closed_after_72_hours_of_the_calendar(self, hand: Hand) -> None:
        accepted = await hand.accept(2)
        messages = (await hand.take()).messages
        await hand.record([fact(message, "unknown", hand.carrier_id) for message in messages])
        before = await hand.all(MONEY)
        sweeper = Sweeper(hand.runtime, hand.settings)
        hand.clock.at += 72 * HOUR - 1
        await sweeper.sweep()
        assert set((await hand.states()).values()) == {"unknown"}
        hand.clock.at += 1
        for _ in range(2):
            await sweeper.sweep()
            assert set((await hand.states()).values()) == {"undetermined"}
            assert await hand.all(MONEY) == [(before[0][0] + 2 * PRICE,)]
        assert (await hand.view(accepted)).state == "completed"
        await hand.check()

    async def test_the_carriers_own_time_counts(self, hand: Hand) -> None:
        await hand.run("UPDATE carriers SET unknown_after_s = 60")
        await hand.accept(1)
        (message,) = (await hand.take()).messages
        await hand.record([fact(message, "unknown", hand.carrier_id)])
        hand.clock.at += 60 * SECOND
        assert await hand.store.write(housekeeping.close_unknowns, hand.at) == 1
        assert await hand.store.write(housekeeping.close_unknowns, hand.at) == 0

    async def test_what_nobody_takes_expires_with_its_retries(self, hand: Hand) -> None:
        """No bind comes: chunks that wait, that are open, that are half marked and given back, and retries."""
        accepted = await hand.accept(5_600, lane=2)
        await plan.plan(hand.runtime)
        messages = (await hand.take(20)).messages
        lease = await hand.lease()
        facts = [fact(m, "retry" if k % 2 else "sent", hand.carrier_id) for k, m in enumerate(messages)]
        await hand.record([f._replace(attempt=2, due_at=hand.at) if f.state == "retry" else f for f in facts])
        await hand.store.write(binds.release, lease.bind_id, lease.fence, hand.at)
        sweeper = Sweeper(hand.runtime, hand.settings)
        hand.clock.at += 72 * HOUR - 1
        await sweeper.sweep()
        assert (await hand.view(accepted)).counts["expired"] == 0
        hand.clock.at += 1
        await sweeper.sweep()
        before = await everything(hand)
        await sweeper.sweep()
        assert await everything(hand) == before
        view = await hand.view(accepted)
        assert (view.counts["expired"], view.counts["sent"], view.state) == (5_590, 10, "completed")
        await hand.check()

    async def test_a_removed_carriers_messages_take_the_next_route(self, hand: Hand) -> None:
        """What waits, and what was to be retried there; a message in its first attempt on the wire is left to its answer."""
        two = await hand.carrier("two", "2547", "2.00")
        accepted = await hand.accept(1_200, lane=2)
        await plan.plan(hand.runtime)
        messages = (await hand.take(10, carrier_id=two)).messages
        await hand.record([fact(message, "retry", two, attempt=2, due_at=hand.at) for message in messages[:5]])
        await hand.store.write(carriers.remove_carrier, "two")
        await hand.settings.refresh()
        sweeper = Sweeper(hand.runtime, hand.settings)
        await sweeper.sweep()
        lease = await hand.lease(carrier_id=two)
        await hand.record([fact(message, "sent", two) for message in messages[5:]])
        await hand.store.write(binds.release, lease.bind_id, lease.fence, hand.at)
        await sweeper.sweep()
        before = await everything(hand)
        await sweeper.sweep()
        assert await everything(hand) == before
        view = await hand.view(accepted)
        assert (view.counts["sent"], view.counts["retry"]) == (5, 5)
        await plan.plan(hand.runtime)
        again = (await hand.take(2_000)).messages
        assert len({message.message_id for message in again}) == len(again) == 1_195
        assert Counter(message.attempt for message in again) == {1: 1_190, 3: 5}
        await hand.record([fact(message, "sent", hand.carrier_id) for message in again])
        assert (await hand.view(accepted)).state == "completed"
        await hand.check()

    async def test_a_carrier_that_only_receives_is_no_route(self, hand: Hand) -> None:
        """What waited for it when it became one takes the next route; then nothing is sent to it, and it may be a route again."""
        two = await hand.carrier("two", "2547", "2.00")
        accepted = await hand.accept(20, lane=2)
        await plan.plan(hand.runtime)
        change = carriers.CarrierChange(url="smpp://nobody@127.0.0.1:1?bind=receiver")
        await hand.store.write(carriers.change_carrier, "two", change)
        await hand.settings.refresh()
        await Sweeper(hand.runtime, hand.settings).sweep()
        assert (await hand.view(accepted)).counts["waiting"] == 20
        assert await hand.all(sa.select(t.chunks.c.carrier_id, t.chunks.c.state)) == [(hand.carrier_id, "waiting")]
        catalog = await hand.settings.catalog()
        assert (catalog.carriers_for(254_700_000_000, None), two in catalog.carriers) == ((hand.carrier_id,), True)
        await hand.store.write(carriers.change_carrier, "two", carriers.CarrierChange(url="smpp://nobody@127.0.0.1:1"))
        await hand.settings.refresh()
        assert (await hand.settings.catalog()).carriers_for(254_700_000_000, None) == (two, hand.carrier_id)
        await hand.check()

    async def test_without_another_route_they_are_refused_and_released(self, hand: Hand) -> None:
        accepted = await hand.accept(700, lane=2)
        before = await hand.all(MONEY)
        await hand.store.write(carriers.remove_carrier, "one")
        await hand.settings.refresh()
        sweeper = Sweeper(hand.runtime, hand.settings)
        for _ in range(2):
            await sweeper.sweep()
            view = await hand.view(accepted)
            assert (view.counts["refused"], view.state) == (700, "completed")
            assert await hand.all(MONEY) == [(before[0][0] + 700 * PRICE,)]
        assert {reason for _, _, reason in await hand.all(DELIVERIES)} == {"no_route"}
        await hand.check()

    async def test_the_simulators_messages_never_go_to_a_real_carrier(self, hand: Hand) -> None:
        await hand.run("UPDATE carriers SET kind = 'simulator'")
        await hand.run("UPDATE settings SET version = version + 1")
        await hand.settings.refresh()
        await hand.accept(3)
        await hand.store.write(carriers.retire_simulator)
        await hand.run("UPDATE carriers SET state = 'removed'")
        await hand.carrier("real")
        await Sweeper(hand.runtime, hand.settings).sweep()
        assert set((await hand.states()).values()) == {"refused"}
        await hand.check()

    @pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
    @pytest.mark.parametrize("task", ["expire", "reroute", "close_unknowns", "take"])
    async def test_what_another_transaction_is_moving_is_left_alone(self, hand: Hand, database_url: str, task: str) -> None:
        """A bind marks a retry, or an answer comes, while a stage reads the row as it was: the stage must not act on that."""
        two = await hand.carrier("two", "2547")
        await hand.accept(1)
        (message,) = (await hand.take(carrier_id=two)).messages
        state = "unknown" if task == "close_unknowns" else "retry"
        await hand.record([fact(message, state, two, attempt=2, due_at=hand.at)])
        lease = await hand.lease(1, two)
        if task == "reroute":
            await hand.store.write(carriers.remove_carrier, "two")
            await hand.settings.refresh()
        else:
            hand.clock.at += 4 * DAY
        catalog = await hand.settings.catalog()
        stages: dict[str, tuple[Any, ...]] = {
            "expire": (housekeeping.expire, hand.at),
            "reroute": (reroutes.reroute, catalog, reroutes.Source(two, True, False, "removed"), reroutes.Place(), hand.at),
            "close_unknowns": (housekeeping.close_unknowns, hand.at),
            "take": (marks.take, lease.bind_id, two, lease.fence, 10, 10, {}, hand.at),
        }
        other = await asyncpg.connect(database_url)
        try:
            transaction = other.transaction()
            await transaction.start()
            moved = ("sent", 30) if task == "close_unknowns" else ("marked", 10)
            await other.execute(f"UPDATE deliveries SET state = '{moved[0]}', rank = {moved[1]}")
            stage = asyncio.create_task(hand.store.write(*stages[task]))
            await asyncio.wait({stage}, timeout=0.3)
            await transaction.commit()
            await stage
        finally:
            await other.close()
        assert await hand.states() == {message.message_id: moved[0]}
