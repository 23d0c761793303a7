"""Failover (laws 3 and 4): the next carrier after a refusal or a failed receipt, once each, for one price, whatever comes late."""

import pytest
import sqlalchemy as sa
from tests.flow.hand import DAY, PRICE, SECOND, fact, note
from tests.store.ways import ATTEMPTS, ENDS, NO, Ways, ways_of

from clarion.core.states import State
from clarion.store import Store, binds, carriers, control, history, housekeeping, optouts, orphans, outcomes, receipts
from clarion.store import tables as t
from clarion.store.facts import PartFact
from clarion.store.outcomes import Batch

d, a = t.deliveries.c, t.attempts.c


@pytest.fixture
async def ways(store: Store) -> Ways:
    return await ways_of(store)


@pytest.fixture
async def insisting(store: Store) -> Ways:
    """As `ways`, of an organization that has failed receipts tried elsewhere."""
    return await ways_of(store, failover_undelivered=True)


class TestAfterRefusal:
    async def test_the_next_carrier_is_tried_and_each_once(self, ways: Ways) -> None:
        (message,) = await ways.begin()
        assert await ways.refuse(message, ways.one) == {ways.two}
        assert await ways.rows() == [("retry", 2, ways.two, 0)]
        assert (await ways.hand.take(carrier_id=ways.one)).messages == []
        await ways.exact()
        second = await ways.again(ways.two)
        assert (second.message_id, second.attempt, second.price_milli) == (message.message_id, 2, message.price_milli)
        assert await ways.refuse(second, ways.two) == {ways.three}
        third = await ways.again(ways.three)
        await ways.refuse(third, ways.three)
        assert await ways.rows() == [("refused", 3, ways.three, 0)]
        assert await ways.rows(ATTEMPTS) == [(1, ways.one, "refused", NO, None), (2, ways.two, "refused", NO, None)]
        assert await ways.paid() == 0
        await ways.exact()

    async def test_it_costs_what_it_cost_and_once(self, ways: Ways) -> None:
        (message,) = await ways.begin()
        await ways.refuse(message, ways.one)
        second = await ways.again(ways.two)
        await ways.send(second, ways.two)
        assert await ways.rows() == [("sent", 2, ways.two, PRICE)]
        await ways.hear(second, ways.two)
        assert await ways.rows() == [("delivered", 2, ways.two, PRICE)]
        assert await ways.paid() == PRICE
        await ways.exact()

    async def test_without_a_catalog_or_another_carrier_it_stays_refused(self, ways: Ways) -> None:
        first, second = await ways.begin(2)
        batch = Batch(ways.one, [fact(first, State.REFUSED)], [], [], [], (), {first.message_id})
        await ways.hand.store.write(outcomes.record_outcomes, batch, None, ways.hand.at)
        await ways.hand.run("UPDATE carriers SET state = 'removed' WHERE id > 1")
        await ways.hand.run("UPDATE settings SET version = version + 1")
        await ways.hand.settings.refresh()
        assert await ways.refuse(second, ways.one) == set()
        assert [state for state, *_ in await ways.rows()] == ["refused", "refused"]
        await ways.exact()

    async def test_a_part_that_may_have_been_taken_keeps_it_where_it_is(self, ways: Ways) -> None:
        """What is not named as refused whole is refused for good."""
        (message,) = await ways.begin()
        await ways.write(Batch(ways.one, [fact(message, State.REFUSED)], [], [], []))
        assert await ways.rows() == [("refused", 1, ways.one, 0)]

    async def test_the_simulators_messages_stay_there(self, ways: Ways) -> None:
        (message,) = await ways.begin()
        await ways.hand.run("UPDATE carriers SET kind = 'simulator' WHERE id = 1")
        await ways.hand.run("UPDATE settings SET version = version + 1")
        await ways.hand.settings.refresh()
        await ways.refuse(message, ways.one)
        assert await ways.rows() == [("refused", 1, ways.one, 0)]

    async def test_what_was_called_off_or_is_too_old_is_not_tried_again(self, ways: Ways) -> None:
        (first,) = await ways.begin()
        (second,) = await ways.begin(start=254_711_000_000)
        await ways.hand.run(f"UPDATE broadcasts SET expires_at = {ways.hand.at} WHERE id = {first.broadcast_id}")
        await ways.hand.store.write(control.cancel, second.broadcast_id)
        for message in (first, second):
            await ways.refuse(message, ways.one)
        assert [state for state, *_ in await ways.rows()] == ["refused", "refused"]
        await ways.exact()

    async def test_a_retry_of_what_is_called_off_then_is_cancelled(self, ways: Ways) -> None:
        (message,) = await ways.begin()
        await ways.refuse(message, ways.one)
        await ways.hand.store.write(control.cancel, message.broadcast_id)
        await ways.hand.store.write(control.cancel_slice, ways.hand.at)
        assert await ways.rows() == [("cancelled", 2, None, 0)]
        assert await ways.paid() == 0
        await ways.exact()

    async def test_a_late_refusal_of_an_unknown_opens_its_broadcast_again(self, ways: Ways) -> None:
        """Unknown counts as handed over, so the broadcast was completed; a retry waits, so it is not any more."""
        (message,) = await ways.begin()
        await ways.record(message, ways.one, State.UNKNOWN)
        assert await ways.rows(ENDS) == [("completed", "done")]
        assert await ways.late(message, ways.one, State.REFUSED) == {ways.two}
        assert await ways.rows() == [("retry", 2, ways.two, 0)]
        b = t.broadcasts.c
        assert await ways.rows(sa.select(b.state, b.finished_at, b.open_chunks)) == [("accepted", None, 1)]
        await ways.exact()
        second = await ways.again(ways.two)
        await ways.send(second, ways.two)
        assert await ways.rows(sa.select(b.state, b.open_chunks)) == [("completed", 0)]
        await ways.exact()

    async def test_a_late_refusal_of_what_has_ended_changes_nothing(self, ways: Ways) -> None:
        (message,) = await ways.begin()
        await ways.record(message, ways.one, State.UNKNOWN)
        ways.hand.clock.at += 4 * DAY
        await ways.hand.store.write(housekeeping.close_unknowns, ways.hand.at)
        await ways.late(message, ways.one, State.REFUSED)
        assert await ways.rows() == [("undetermined", 1, ways.one, 0)]
        assert await ways.rows(ATTEMPTS) == []
        await ways.exact()

    async def test_a_fenced_workers_refusal_finds_the_unknown_that_was_written_for_it(self, ways: Ways) -> None:
        (message,) = await ways.begin()
        await ways.hand.lease(carrier_id=ways.one, owner=999)
        assert await ways.rows() == [("unknown", 1, ways.one, 0)]
        await ways.refuse(message, ways.one)
        assert await ways.rows() == [("retry", 2, ways.two, 0)]
        await ways.exact()

    async def test_killed_between_the_retrys_mark_and_its_outcome(self, ways: Ways) -> None:
        """In doubt on the second carrier: not sent again by itself, and its answer still counts."""
        (message,) = await ways.begin()
        await ways.refuse(message, ways.one)
        second = await ways.again(ways.two)
        lease = await ways.hand.lease(carrier_id=ways.two, owner=999)
        assert lease.in_doubt == 1
        assert await ways.rows() == [("unknown", 2, ways.two, 0)]
        for carrier_id in (ways.one, ways.two, ways.three):
            assert (await ways.hand.take(carrier_id=carrier_id)).messages == []
        await ways.late(second, ways.two, State.SENT)
        assert await ways.rows() == [("sent", 2, ways.two, PRICE)]
        await ways.exact()

    async def test_recorded_twice_it_is_tried_once(self, ways: Ways) -> None:
        """The database took it and its answer was lost, so the dispatcher says it again."""
        (message,) = await ways.begin()
        await ways.refuse(message, ways.one)
        await ways.refuse(message, ways.one)
        assert await ways.rows() == [("retry", 2, ways.two, 0)]
        await ways.again(ways.two)
        await ways.refuse(message, ways.one)
        assert await ways.rows() == [("marked", 2, ways.two, 0)]
        await ways.exact()


class TestAfterReceipt:
    async def test_only_where_the_broadcast_allows_it(self, ways: Ways) -> None:
        (message,) = await ways.begin()
        await ways.send(message, ways.one)
        await ways.hear(message, ways.one, "undelivered")
        assert await ways.rows() == [("undelivered", 1, ways.one, PRICE)]
        await ways.exact()

    async def test_it_stays_charged_while_the_next_is_tried_and_is_charged_once(self, insisting: Ways) -> None:
        ways = insisting
        (message,) = await ways.begin()
        await ways.send(message, ways.one)
        await ways.hear(message, ways.one, "undelivered")
        assert await ways.rows() == [("retry", 2, ways.two, PRICE)]
        assert await ways.rows(ATTEMPTS) == [(1, ways.one, "undelivered", "UNDELIV err:034", None)]
        assert await ways.rows(ENDS) == [("accepted", "claimed")]
        await ways.exact()
        second = await ways.again(ways.two)
        await ways.exact()
        await ways.send(second, ways.two)
        assert await ways.rows(sa.select(d.state, d.carrier_reference)) == [("sent", f"c{ways.two}m{message.message_id}")]
        await ways.hear(second, ways.two)
        assert await ways.rows() == [("delivered", 2, ways.two, PRICE)]
        assert await ways.paid() == PRICE
        assert await ways.rows(ENDS) == [("completed", "done")]
        await ways.exact()

    @pytest.mark.parametrize("refunds", [False, True])
    @pytest.mark.parametrize("end", ["undelivered", "refused", "expired", "cancelled", "suppressed", "undetermined"])
    async def test_however_it_ends_it_was_taken_once_and_failed(self, store: Store, end: str, refunds: bool) -> None:
        """Undelivered, so charged, and given back only then, and only where the broadcast says so."""
        ways = await ways_of(store, failover_undelivered=True, refunds_failed=refunds)
        hand = ways.hand
        (message,) = await ways.begin()
        await ways.send(message, ways.one)
        await ways.hear(message, ways.one, "undelivered")
        assert await ways.paid() == PRICE
        if end in {"undelivered", "refused", "undetermined"}:
            for carrier_id in (ways.two, ways.three):
                last = await ways.again(carrier_id)
                if end == "undelivered":
                    await ways.send(last, carrier_id)
                    await ways.hear(last, carrier_id, "undelivered")
                elif end == "refused":
                    await ways.refuse(last, carrier_id)
                else:
                    await ways.record(last, carrier_id, State.UNKNOWN)
                    await ways.exact()
                    hand.clock.at += 4 * DAY
                    await hand.store.write(housekeeping.close_unknowns, hand.at)
                    break
        elif end == "expired":
            hand.clock.at += 4 * DAY
            await hand.store.write(housekeeping.expire, hand.at)
        elif end == "cancelled":
            await hand.store.write(control.cancel, message.broadcast_id)
            await hand.store.write(control.cancel_slice, hand.at)
        else:
            await hand.store.write(optouts.add, hand.organization.id, [message.recipient], "STOP", hand.at)
            assert (await hand.take(carrier_id=ways.two)).messages == []
        ((state, _, _, charged),) = await ways.rows()
        assert (state, charged) == ("undelivered", 0 if refunds else PRICE)
        assert await ways.paid() == (0 if refunds else PRICE)
        await ways.exact()
        await ways.hear(message, ways.one)
        ((state, _, _, charged),) = await ways.rows()
        assert (state, charged) == ("delivered", 0 if refunds else PRICE), "delivered for any attempt"
        await ways.exact()

    async def test_its_history_names_every_attempt_with_carrier_and_reason(self, insisting: Ways) -> None:
        ways = insisting
        (message,) = await ways.begin()
        await ways.refuse(message, ways.one)
        second = await ways.again(ways.two)
        ways.hand.clock.at += SECOND
        await ways.send(second, ways.two)
        await ways.hear(second, ways.two, "undelivered")
        third = await ways.again(ways.three)
        ways.hand.clock.at += SECOND
        await ways.send(third, ways.three)
        await ways.hear(third, ways.three)
        ((public_id,),) = await ways.hand.all(sa.select(t.broadcasts.c.public_id))
        found = await ways.hand.store.read(history.message_history, public_id, 1)
        assert found is not None
        assert (found.state, found.money, found.attempt, found.carrier) == ("delivered", "charged", 3, "three")
        told = [event[1:4] for event in found.events if event.what.startswith(("attempt", "sent", "charged", "delivered"))]
        assert told == [
            ("attempt 1", f"refused: {NO}", "one"),
            ("attempt 2", "undelivered: UNDELIV err:034", "two"),
            ("charged", "attempt 2 was taken; there is no other charge", "two"),
            ("sent", "attempt 3: the carrier took it", "three"),
            ("delivered", "", "three"),
        ]

    async def test_delivered_for_the_first_attempt_while_the_second_is_undelivered(self, insisting: Ways) -> None:
        ways = insisting
        (message,) = await ways.begin()
        await ways.send(message, ways.one)
        await ways.hear(message, ways.one, "undelivered")
        for carrier_id in (ways.two, ways.three):
            last = await ways.again(carrier_id)
            await ways.send(last, carrier_id)
            await ways.hear(last, carrier_id, "undelivered")
        assert (await ways.rows())[0][:2] == ("undelivered", 3)
        await ways.hear(message, ways.one)
        assert await ways.rows() == [("delivered", 3, ways.three, PRICE)]
        assert (await ways.rows(ATTEMPTS))[0] == (1, ways.one, "undelivered", "UNDELIV err:034", "delivered")
        await ways.exact()

    async def test_delivered_for_the_first_attempt_before_the_second_is_marked(self, insisting: Ways) -> None:
        ways = insisting
        (message,) = await ways.begin()
        await ways.send(message, ways.one)
        await ways.hear(message, ways.one, "undelivered")
        await ways.hear(message, ways.one)
        assert (await ways.rows())[0][0] == "delivered"
        assert (await ways.hand.take(carrier_id=ways.two)).messages == []
        assert await ways.paid() == PRICE
        await ways.exact()

    async def test_both_receipts_in_one_batch(self, insisting: Ways) -> None:
        ways = insisting
        (message, other) = await ways.begin(2)
        for each in (message, other):
            await ways.send(each, ways.one)
        heard = [
            note(f"c{ways.one}m{each.message_id}", each.recipient, state)
            for each, state in ((message, "undelivered"), (other, "undelivered"), (message, "delivered"), (other, "undelivered"))
        ]
        catalog = await ways.hand.settings.catalog()
        await ways.hand.store.write(receipts.record_receipts, ways.one, None, heard, ways.hand.at, catalog)
        assert [state for state, *_ in await ways.rows(sa.select(d.state).order_by(d.message_id))] == ["delivered", "retry"]
        await ways.exact()

    async def test_an_unknown_that_failed_is_charged_and_tried_elsewhere(self, insisting: Ways) -> None:
        """Its receipt says that it was taken, and that it was not delivered."""
        ways = insisting
        (message,) = await ways.begin()
        await ways.record(message, ways.one, State.UNKNOWN)
        ways.hand.clock.at += SECOND
        catalog = await ways.hand.settings.catalog()
        heard = [note("77", message.recipient, "undelivered")]
        await ways.hand.store.write(receipts.record_receipts, ways.one, None, heard, ways.hand.at, catalog)
        ways.hand.clock.at += SECOND
        page = await ways.hand.store.write(orphans.retry_page, 0, ways.hand.at, ways.hand.at, catalog)
        assert page.fitted == 1
        assert await ways.rows() == [("retry", 2, ways.two, PRICE)]
        assert await ways.rows(sa.select(a.carrier_reference)) == [("77",)]
        await ways.exact()
        second = await ways.again(ways.two)
        await ways.send(second, ways.two)
        assert await ways.paid() == PRICE
        await ways.exact()

    async def test_an_early_receipt_that_waited_for_its_answer(self, insisting: Ways) -> None:
        ways = insisting
        (message,) = await ways.begin()
        await ways.hear(message, ways.one, "undelivered")
        await ways.send(message, ways.one)
        assert await ways.rows() == [("retry", 2, ways.two, PRICE)]
        await ways.exact()

    async def test_a_long_message_in_parts_stays(self, insisting: Ways) -> None:
        """The recipient may have some of its parts: a message fails over only if no part was taken."""
        ways = insisting
        (message,) = await ways.begin(text="x" * 400)
        made = [
            PartFact(message.message_id, 1, number, ways.one, f"c{ways.one}m{message.message_id}{number}", "sent", None)
            for number in (1, 2, 3)
        ]
        await ways.write(Batch(ways.one, [fact(message, State.SENT, ways.one, reference=None)], made, [], []))
        catalog = await ways.hand.settings.catalog()
        heard = [note(f"c{ways.one}m{message.message_id}2", message.recipient, "undelivered")]
        await ways.hand.store.write(receipts.record_receipts, ways.one, None, heard, ways.hand.at, catalog)
        assert await ways.rows() == [("undelivered", 1, ways.one, 3 * PRICE)]
        await ways.exact()


async def test_what_is_removed_takes_a_route_that_has_not_had_it(ways: Ways) -> None:
    """The first carrier refused it: when the second is removed, the third is next."""
    (message,) = await ways.begin()
    await ways.refuse(message, ways.one)
    lease = await ways.hand.lease(carrier_id=ways.two)
    await ways.hand.store.write(binds.release, lease.bind_id, lease.fence, ways.hand.at)
    await ways.hand.store.write(carriers.remove_carrier, "two")
    await ways.hand.reroute()
    assert await ways.rows() == [("retry", 3, ways.three, 0)]
    await ways.exact()
