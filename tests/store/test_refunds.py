"""A failed receipt gives a charge back where the broadcast says so: once, whatever comes in which order."""

from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace
from tests.flow.hand import PRICE, Hand, about, by_hand, fact

from clarion.core.states import State
from clarion.store import Store, doctor
from clarion.store import tables as t
from clarion.store.facts import AttemptFact
from clarion.store.marks import Marked

BEFORE = 10 * PRICE


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store, available_milli=BEFORE)


async def marked(hand: Hand, count: int = 3, **more: Any) -> list[Marked]:
    await hand.accept(count, **more)
    return (await hand.take()).messages


async def available(hand: Hand) -> int:
    ((amount,),) = await hand.all(sa.select(t.wallets.c.available_milli))
    return int(amount)


async def booked(hand: Hand, kind: str) -> int:
    entry, line = t.ledger.c, t.ledger_lines.c
    ((amount,),) = await hand.all(
        sa.select(sa.func.coalesce(sa.func.sum(line.amount_milli), 0))
        .join_from(t.ledger, t.ledger_lines, line.ledger_id == entry.id)
        .where(entry.kind == kind, line.amount_milli > 0)
    )
    return int(amount)


async def exact(hand: Hand) -> None:
    await hand.check()
    assert await hand.store.read(doctor.examine, hand.at) == []


async def test_a_failed_receipt_after_the_charge_is_refunded_once(hand: Hand) -> None:
    messages = await marked(hand, refunds_failed=True)
    await hand.record([fact(message, State.SENT) for message in messages])
    assert await booked(hand, "charge") == 3 * PRICE
    for _ in range(2):
        await hand.receive(about(messages[0], State.UNDELIVERED), about(messages[1], State.DELIVERED))
        assert await booked(hand, "refund") == PRICE
        assert await available(hand) == BEFORE - 2 * PRICE
        await exact(hand)


async def test_a_refunded_message_that_is_delivered_after_all_is_not_charged_again(hand: Hand) -> None:
    first, *_ = await marked(hand, refunds_failed=True)
    await hand.record([fact(first, State.SENT)])
    await hand.receive(about(first, State.UNDELIVERED))
    await hand.receive(about(first))
    assert (await hand.states())[first.message_id] == State.DELIVERED
    assert await booked(hand, "refund") == PRICE
    assert await available(hand) == BEFORE - 2 * PRICE, "only the two others are still held"
    await exact(hand)


async def test_what_was_unknown_and_failed_is_charged_and_refunded_at_once(hand: Hand) -> None:
    first, second, third = await marked(hand, refunds_failed=True)
    await hand.record([fact(first, State.UNKNOWN, reference="r1"), fact(second, State.SENT), fact(third, State.REFUSED)])
    await hand.record([fact(first, State.UNDELIVERED)])
    assert await available(hand) == BEFORE - PRICE
    await exact(hand)


async def test_other_broadcasts_keep_the_charge(hand: Hand) -> None:
    kept = await marked(hand)
    await hand.record([fact(message, State.SENT) for message in kept])
    given_back = await marked(hand, refunds_failed=True)
    await hand.record([fact(message, State.SENT) for message in given_back])
    await hand.receive(*(about(message, State.UNDELIVERED) for message in [*kept, *given_back]))
    assert await booked(hand, "refund") == 3 * PRICE
    assert await available(hand) == BEFORE - 3 * PRICE
    await exact(hand)


async def test_an_organization_may_have_all_of_its_failures_refunded(store: Store) -> None:
    hand = await by_hand(store, available_milli=BEFORE, refunds_failed=True)
    messages = await marked(hand)
    await hand.record([fact(message, State.SENT) for message in messages])
    await hand.receive(*(about(message, State.UNDELIVERED) for message in messages))
    assert await available(hand) == BEFORE
    await exact(hand)


async def test_the_doctor_finds_a_refund_that_is_missing(hand: Hand) -> None:
    first, *_ = await marked(hand)
    await hand.record([fact(first, State.SENT)])
    await hand.receive(about(first, State.UNDELIVERED))
    await exact(hand)
    await hand.run("UPDATE broadcasts SET refunds_failed = true")
    assert [finding.code for finding in await hand.store.read(doctor.examine, hand.at)] == ["refund_wrong"]


async def test_one_that_failed_and_was_delivered_in_one_batch_keeps_its_charge(hand: Hand) -> None:
    """Its second attempt failed, the first arrived after all, and both receipts come together."""
    first, *_ = await marked(hand, refunds_failed=True)
    retry = fact(first, State.RETRY, attempt=2, due_at=hand.at)
    ended = AttemptFact(first.message_id, 1, hand.carrier_id, "r-early", "unknown", None)
    await hand.record([retry], attempts=[ended])
    again = (await hand.take()).messages
    await hand.record([fact(again[0], State.SENT)])
    await hand.receive(about(first, State.UNDELIVERED), replace(about(first), reference="r-early"))
    assert (await hand.states())[first.message_id] == State.DELIVERED
    assert (await booked(hand, "charge"), await booked(hand, "refund")) == (PRICE, 0)
    await exact(hand)
