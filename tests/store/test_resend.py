"""Carriers whose unknowns are sent again (law 2): by the next route, not without end, and what comes late is still a fact."""

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs
from tests.flow.hand import DAY, HOUR, PRICE, SECOND, fact, note
from tests.store.ways import ATTEMPTS, Ways, ways_of

from clarion.core.states import State
from clarion.flow.sweep import Sweeper
from clarion.store import Store, housekeeping, orphans
from clarion.store import tables as t
from clarion.store.facts import PartFact
from clarion.store.marks import Marked
from clarion.store.outcomes import Batch

a = t.attempts.c


@pytest.fixture
async def resending(store: Store) -> Ways:
    ways = await ways_of(store)
    await ways.hand.run(f"UPDATE carriers SET unknown_policy = 'resend', unknown_after_s = {HOUR // SECOND}")
    return ways


async def lose(ways: Ways) -> Marked:
    (message,) = await ways.begin()
    await ways.record(message, ways.one, State.UNKNOWN)
    ways.hand.clock.at += HOUR
    return message


async def test_by_the_next_route_and_named_so(resending: Ways) -> None:
    ways = resending
    await lose(ways)
    assert await ways.hand.store.write(housekeeping.close_unknowns, ways.hand.at) == 0
    assert await ways.resend() == (1, 0)
    assert await ways.resend() == (0, 0)
    assert await ways.rows() == [("retry", 2, ways.two, 0)]
    assert await ways.rows(ATTEMPTS) == [(1, ways.one, "unknown", "no answer and no receipt, so it is sent again", None)]
    await ways.exact()
    second = await ways.again(ways.two)
    await ways.send(second, ways.two)
    assert await ways.paid() == PRICE
    await ways.exact()


async def test_sweep_does_it_and_the_log_names_it(resending: Ways) -> None:
    ways = resending
    await lose(ways)
    with capture_logs() as said:
        await Sweeper(ways.hand.runtime, ways.hand.settings).sweep()
    assert {"event": "unknown.resent", "log_level": "warning", "count": 1} in said
    assert await ways.rows() == [("retry", 2, ways.two, 0)]


async def test_by_the_same_carrier_if_it_is_the_only_one_and_not_without_end(resending: Ways) -> None:
    ways = resending
    await ways.hand.run("UPDATE carriers SET state = 'removed' WHERE id > 1")
    await ways.hand.run("UPDATE settings SET version = version + 1")
    await ways.hand.settings.refresh()
    await lose(ways)
    for attempt in (2, 3):
        assert await ways.resend() == (1, 0)
        assert await ways.rows() == [("retry", attempt, ways.one, 0)]
        last = await ways.again(ways.one)
        await ways.record(last, ways.one, State.UNKNOWN)
        ways.hand.clock.at += HOUR
    assert await ways.resend() == (0, 1)
    assert await ways.rows() == [("undetermined", 3, ways.one, 0)]
    assert await ways.paid() == 0
    await ways.exact()


async def test_what_was_called_off_or_is_too_old_is_closed(resending: Ways) -> None:
    ways = resending
    await lose(ways)
    ways.hand.clock.at += 4 * DAY
    assert await ways.resend() == (0, 1)
    assert (await ways.rows())[0][0] == "undetermined"
    await ways.exact()


async def test_a_late_answer_for_the_first_attempt_after_the_second_was_sent(resending: Ways) -> None:
    """A fact, kept with the attempt. Its receipt makes the message delivered, also where the second attempt failed."""
    ways = resending
    message = await lose(ways)
    await ways.resend()
    second = await ways.again(ways.two)
    await ways.send(second, ways.two)
    await ways.late(message, ways.one, State.SENT)
    assert await ways.rows() == [("sent", 2, ways.two, PRICE)]
    assert await ways.rows(sa.select(a.outcome, a.receipt, a.carrier_reference)) == [
        ("unknown", "sent", f"c{ways.one}m{message.message_id}")
    ]
    await ways.hear(second, ways.two, "undelivered")
    assert (await ways.rows())[0][0] == "undelivered"
    await ways.hear(message, ways.one)
    assert await ways.rows() == [("delivered", 2, ways.two, PRICE)]
    assert await ways.paid() == PRICE
    await ways.exact()


@pytest.mark.parametrize("state", [State.SENT, State.REFUSED])
async def test_a_late_answer_before_the_second_attempt_was_marked(resending: Ways, state: str) -> None:
    """A yes is in time: it is not sent again. A no changes nothing: it is to be sent again anyway."""
    ways = resending
    message = await lose(ways)
    await ways.resend()
    await ways.late(message, ways.one, state)
    if state == State.SENT:
        assert await ways.rows() == [("sent", 2, ways.one, PRICE)]
        assert (await ways.hand.take(carrier_id=ways.two)).messages == []
        await ways.hear(message, ways.one)
        assert (await ways.rows())[0][0] == "delivered"
    else:
        assert await ways.rows() == [("retry", 2, ways.two, 0)]
    await ways.exact()


async def test_a_receipt_with_an_id_of_its_own_for_the_lost_attempt(resending: Ways) -> None:
    """Nothing but recipient and sender ties it to the first attempt, and that is the only lost one on this carrier."""
    ways = resending
    message = await lose(ways)
    await ways.resend()
    second = await ways.again(ways.two)
    await ways.send(second, ways.two)
    await ways.hear(second, ways.two, "undelivered")
    ways.hand.clock.at += SECOND
    await ways.hand.receive(note("77", message.recipient), carrier_id=ways.one)
    ways.hand.clock.at += SECOND
    assert (await ways.hand.store.write(orphans.retry_page, 0, ways.hand.at, ways.hand.at)).fitted == 1
    assert await ways.rows() == [("delivered", 2, ways.two, PRICE)]
    assert await ways.rows(sa.select(a.receipt, a.carrier_reference)) == [("delivered", "77")]
    await ways.exact()


async def test_with_a_part_taken_it_goes_on_there_with_the_missing_ones(resending: Ways) -> None:
    ways = resending
    (message,) = await ways.begin(text="x" * 400)
    made = [
        PartFact(message.message_id, 1, 1, ways.one, "11", "sent", None, "gsm7 256 153 153 94"),
        PartFact(message.message_id, 1, 2, ways.one, None, "unknown", None, "gsm7 256 153 153 94"),
    ]
    await ways.write(Batch(ways.one, [fact(message, State.UNKNOWN, ways.one)], made, [], []))
    ways.hand.clock.at += HOUR
    assert await ways.resend() == (1, 0)
    assert await ways.rows() == [("retry", 2, ways.one, 0)]
    taken = await ways.hand.take(carrier_id=ways.one)
    assert taken.begun[message.message_id] == (frozenset({1}), "gsm7 256 153 153 94")
    await ways.exact()
