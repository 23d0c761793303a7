"""Receipts of messages whose answer was lost (section 4 of the design, 2 and 3): the one that must be meant, and never a guess."""

import pytest
import sqlalchemy as sa
from tests.flow.hand import HOUR, PRICE, SECOND, Hand, by_hand, fact, note

from clarion.store import Store, binds, chunks, orphans
from clarion.store import tables as t
from clarion.store.marks import Marked
from clarion.store.outcomes import LateAnswer

ORPHANS = sa.select(t.orphans.c.carrier_reference, t.orphans.c.recipient)


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


async def mark(hand: Hand, count: int = 1, **order: object) -> list[Marked]:
    await hand.accept(count, **order)  # type: ignore[arg-type]
    return (await hand.take()).messages


async def lose(hand: Hand, count: int = 1, **order: object) -> list[Marked]:
    """Messages whose answer was lost."""
    messages = await mark(hand, count, **order)
    await hand.record([fact(message, "unknown", hand.carrier_id) for message in messages])
    return messages


async def sweep(hand: Hand) -> orphans.Page:
    return await hand.store.write(orphans.retry_page, 0, hand.at, hand.at)


@pytest.mark.parametrize("reference", ["", "77"])
async def test_a_receipt_finds_the_one_unknown_of_its_recipient_and_sender(hand: Hand, reference: str) -> None:
    """With or without an id: the answer was lost, so no id is known. It is a taking too: the price is charged."""
    (message,) = await lose(hand)
    hand.clock.at += SECOND
    await hand.receive(note(reference, message.recipient))
    hand.clock.at += SECOND
    assert (await sweep(hand)).fitted == 1
    assert await hand.all(sa.select(t.deliveries.c.state, t.deliveries.c.carrier_reference, t.deliveries.c.charged_milli)) == [
        ("delivered", reference or None, PRICE)
    ]
    await hand.check()


async def test_of_two_unknowns_none_is_guessed(hand: Hand) -> None:
    first, second = [*await lose(hand), *await lose(hand)]
    hand.clock.at += SECOND
    await hand.receive(note("", first.recipient))
    hand.clock.at += SECOND
    assert (await sweep(hand)).fitted == 0
    assert await hand.states() == {first.message_id: "unknown", second.message_id: "unknown"}
    assert len(await hand.all(ORPHANS)) == 1


async def test_an_echoed_reference_decides_between_two_unknowns(hand: Hand) -> None:
    first, second = [*await lose(hand), *await lose(hand)]
    hand.clock.at += SECOND
    await hand.receive(note("", first.recipient, user_message_reference=second.message_id % 65_536))
    hand.clock.at += SECOND
    assert (await sweep(hand)).fitted == 1
    assert await hand.states() == {first.message_id: "unknown", second.message_id: "delivered"}


async def test_an_unknown_of_another_sender_is_not_meant(hand: Hand) -> None:
    (message,) = await lose(hand)
    hand.clock.at += SECOND
    await hand.receive(note("", message.recipient, sender="OTHER"))
    hand.clock.at += SECOND
    assert (await sweep(hand)).fitted == 0
    await hand.receive(note("", message.recipient, sender="Clarion"))
    hand.clock.at += SECOND
    assert (await sweep(hand)).fitted == 1


async def test_an_unknown_is_left_alone_while_the_same_recipient_has_a_message_on_the_way(hand: Hand) -> None:
    """The receipt may be that one's, and its answer may still bring the id."""
    (unknown,) = await lose(hand)
    (going,) = await mark(hand)
    hand.clock.at += SECOND
    await hand.receive(note("77", unknown.recipient))
    hand.clock.at += SECOND
    assert (await sweep(hand)).fitted == 0
    await hand.record([fact(going, "sent", hand.carrier_id, reference="77")])
    assert await hand.states() == {unknown.message_id: "unknown", going.message_id: "delivered"}


async def test_an_unknown_is_left_alone_while_a_retry_of_the_same_recipient_is_on_the_way(hand: Hand) -> None:
    """The retry is on another bind than its chunk was, which is on the road again."""
    await hand.accept(2, lane=2)
    await hand.store.write(chunks.open_due, hand.at)
    (first,) = (await hand.take(1)).messages
    await hand.record([fact(first, "retry", hand.carrier_id, attempt=2, due_at=hand.at)])
    (again,) = (await hand.take(1, slot=1)).messages
    lease = await hand.lease()
    assert await hand.store.write(binds.give_back, lease.bind_id, lease.fence, hand.at) == 0
    await hand.accept(1)
    (unknown,) = (await hand.take(bulk_room=0)).messages
    await hand.record([fact(unknown, "unknown", hand.carrier_id)])
    assert (again.message_id, again.recipient) == (first.message_id, unknown.recipient)
    hand.clock.at += SECOND
    await hand.receive(note("", unknown.recipient))
    hand.clock.at += SECOND
    assert (await sweep(hand)).fitted == 0
    await hand.record([fact(again, "refused", hand.carrier_id)])
    assert (await sweep(hand)).fitted == 1
    assert (await hand.states())[unknown.message_id] == "delivered"


async def test_of_two_ids_for_one_unknown_none_is_guessed(hand: Hand) -> None:
    """One of them is about something else that this recipient got, and nothing says which."""
    (message,) = await lose(hand)
    hand.clock.at += SECOND
    await hand.receive(note("77", message.recipient), note("78", message.recipient, "undelivered"))
    hand.clock.at += SECOND
    assert (await sweep(hand)).fitted == 0
    assert await hand.states() == {message.message_id: "unknown"}


async def test_a_receipt_from_before_a_broadcast_began_is_not_about_it(hand: Hand) -> None:
    """An old orphan, of a message that somebody else sent on this account, must not end a later unknown."""
    await hand.receive(note("77", 254_700_000_000))
    hand.clock.at += HOUR
    (message,) = await lose(hand)
    hand.clock.at += HOUR
    assert (await sweep(hand)).fitted == 0
    assert await hand.states() == {message.message_id: "unknown"}
    await hand.receive(note("78", 254_700_000_000))
    hand.clock.at += SECOND
    assert (await sweep(hand)).fitted == 1


async def test_a_late_answer_brings_the_reference_that_a_receipt_waits_for(hand: Hand) -> None:
    first, second = [*await lose(hand), *await lose(hand)]
    await hand.receive(note("77", first.recipient))
    await hand.record([], late=[LateAnswer(second.message_id, 1, "sent", "77", None)])
    assert await hand.states() == {first.message_id: "unknown", second.message_id: "delivered"}
    await hand.check()


async def test_undetermined_is_lifted_by_its_receipt_and_not_charged(hand: Hand) -> None:
    """Its time was over and the money went back; the receipt that comes after all still tells the truth."""
    (message,) = await lose(hand)
    await hand.record([fact(message, "undetermined", hand.carrier_id)])
    hand.clock.at += SECOND
    await hand.receive(note("77", message.recipient, "undelivered"))
    hand.clock.at += SECOND
    assert (await sweep(hand)).fitted == 1
    await hand.receive(note("77", message.recipient))
    assert await hand.all(sa.select(t.deliveries.c.state, t.deliveries.c.charged_milli)) == [("delivered", 0)]
    await hand.check()


async def test_an_unknown_goes_before_an_undetermined_one(hand: Hand) -> None:
    (old,) = await lose(hand)
    await hand.record([fact(old, "undetermined", hand.carrier_id)])
    (new,) = await lose(hand)
    hand.clock.at += SECOND
    await hand.receive(note("", new.recipient))
    hand.clock.at += SECOND
    assert (await sweep(hand)).fitted == 1
    assert await hand.states() == {old.message_id: "undetermined", new.message_id: "delivered"}
