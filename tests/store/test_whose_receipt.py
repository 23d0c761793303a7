"""Whose receipt is it (section 4 of the design): a table of spellings, and what must never be guessed."""

from collections import Counter
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from tests.flow.hand import DAY, HOUR, PRICE, Hand, about, by_hand, fact, note

from clarion.carriers.interface import InboundText, Receipt
from clarion.carriers.smpp import pdu
from clarion.carriers.smpp.receipts import decode_delivery
from clarion.flow.receive import Receiver
from clarion.store import Store, orphans
from clarion.store import tables as t
from clarion.store.facts import PartFact
from clarion.store.history import message_history
from clarion.store.marks import Marked

TWENTY = 20
"""Receipts that show a form."""

ORPHANS = sa.select(t.orphans.c.carrier_reference, t.orphans.c.recipient)


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


async def mark(hand: Hand, count: int = 1, **order: object) -> list[Marked]:
    await hand.accept(count, **order)  # type: ignore[arg-type]
    return (await hand.take()).messages


async def send(hand: Hand, reference: str | None = None, count: int = 1, **order: object) -> list[Marked]:
    """Messages that the carrier took, under this reference each."""
    messages = await mark(hand, count, **order)
    await hand.record([fact(message, "sent", hand.carrier_id, reference=reference or f"r{message.message_id}") for message in messages])
    return messages


async def sweep(hand: Hand) -> orphans.Page:
    return await hand.store.write(orphans.retry_page, 0, hand.at, hand.at)


@dataclass(frozen=True)
class Case:
    """An answer's reference, the receipt that comes, and whether it fits."""

    name: str
    answered: str
    reference: str
    recipient: str = "254700000000"
    fits: bool = True


CASES = [
    Case("as it is", "5f3a9c", "5f3a9c"),
    Case("answered in hex, receipt in decimal", "5f3a9c", "6240924"),
    Case("answered in decimal, receipt in hex", "6240924", "5f3a9c"),
    Case("a word that is no number", "msg-42.x", "msg-42.x"),
    Case("a number longer than 64 bits", "ffffffffffffffffffff", str(int("ffffffffffffffffffff", 16))),
    Case("with a plus before the number", "77", "77", "+254700000000"),
    Case("in the national form", "77", "77", "0700000000"),
    Case("with an international prefix", "77", "77", "00254700000000"),
    Case("without a recipient, by a carrier that hides it", "77", "77", ""),
    Case("by seven digits, where numbers have no more", "77", "77", "0000000"),
    Case("about another recipient", "77", "77", "254700000001", fits=False),
    Case("about another id", "77", "78", fits=False),
    Case("the same digits read the wrong way twice", "77", str(int("77", 16)) + "0", fits=False),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_a_receipt_fits_by_id_and_recipient(hand: Hand, case: Case) -> None:
    (message,) = await send(hand, case.answered)
    recorded = await hand.receive(note(case.reference, case.recipient))
    assert (recorded.matched, recorded.orphaned) == ((1, 0) if case.fits else (0, 1))
    assert (await hand.states())[message.message_id] == ("delivered" if case.fits else "sent")
    await hand.check()


async def test_a_number_of_seven_digits_fits_its_national_form(hand: Hand) -> None:
    """Iceland: +354 555 1234 is written 5551234 at home; there is no eighth digit to agree."""
    (message,) = await send(hand, "77", start=354_555_1234)
    assert message.recipient == 354_555_1234
    assert (await hand.receive(note("77", "5551234"))).matched == 1
    assert (await hand.receive(note("77", "5551235"))).matched == 0


async def test_two_candidates_are_never_guessed_between(hand: Hand) -> None:
    """The id in one form is one message's, in another form another's, and both went to the same number."""
    first, second = [*await send(hand, "16"), *await send(hand, "10")]
    recorded = await hand.receive(note("10", first.recipient), note("16", first.recipient))
    # 10 is the second's as it is, and the first's from hex to decimal; 16 the other way round.
    assert (recorded.matched, recorded.orphaned) == (0, 2)
    assert set((await hand.states()).values()) == {"sent"}
    assert (await sweep(hand)).fitted == 0
    assert len(await hand.all(ORPHANS)) == 2
    assert second.recipient == first.recipient


async def test_two_messages_under_one_id_and_a_part_under_it_too_are_not_guessed_between(hand: Hand) -> None:
    for _ in range(2):
        await send(hand, "77")
    (long,) = await mark(hand, text="x" * 200)
    await hand.run(
        "INSERT INTO parts (message_id, attempt, part, carrier_id, carrier_reference, state, updated_at)"
        f" VALUES ({long.message_id}, 1, 1, {hand.carrier_id}, '77', 'sent', {hand.at})"
    )
    await hand.record([fact(long, "sent", hand.carrier_id, reference=None)])
    assert (await hand.receive(note("77", long.recipient))).orphaned == 1
    assert set((await hand.states()).values()) == {"sent"}


async def test_the_recipient_decides_between_two_readings(hand: Hand) -> None:
    """With hexadecimal answers and decimal receipts the literal reading is often some other message's."""
    first, second = [*await send(hand, "16"), *await send(hand, "10", start=254_711_000_000)]
    assert (await hand.receive(note("16", second.recipient), note("22", first.recipient))).matched == 2
    assert set((await hand.states()).values()) == {"delivered"}


async def test_the_known_form_is_looked_at_first(hand: Hand) -> None:
    """Two readings fit one recipient; what this carrier is known for decides."""
    (first,) = await send(hand, "16")
    (second,) = await send(hand, "10")
    assert (await hand.receive(note("16", first.recipient), form="decimal_to_hex")).matched == 1
    assert await hand.states() == {first.message_id: "sent", second.message_id: "delivered"}


async def test_an_id_that_is_used_again_after_a_week_is_the_new_message_s(hand: Hand) -> None:
    (old,) = await send(hand, "77")
    hand.clock.at += 7 * DAY + 1
    (new,) = await send(hand, "77")
    assert (await hand.receive(note("77", old.recipient))).matched == 1
    assert await hand.states() == {old.message_id: "sent", new.message_id: "delivered"}


async def test_within_a_week_an_id_that_is_used_again_is_nobody_s(hand: Hand) -> None:
    (old,) = await send(hand, "77")
    hand.clock.at += 7 * DAY - HOUR
    await send(hand, "77")
    assert (await hand.receive(note("77", old.recipient))).orphaned == 1
    hand.clock.at += 2 * HOUR
    assert (await sweep(hand)).fitted == 1, "by now the old message is no candidate any more"


async def test_a_receipt_before_its_answer_waits_for_it(hand: Hand) -> None:
    """Early, in another form than the answer's; it fits as soon as the outcome is recorded."""
    (message,) = await mark(hand)
    assert (await hand.receive(note("6240924", message.recipient))).orphaned == 1
    assert (await sweep(hand)).fitted == 0, "its message is still on the way"
    await hand.record([fact(message, "sent", hand.carrier_id, reference="5f3a9c")])
    assert await hand.states() == {message.message_id: "delivered"}
    assert await hand.all(ORPHANS) == []
    await hand.check()


async def test_a_receipt_twice_early_and_twice_late_counts_once(hand: Hand) -> None:
    (message,) = await mark(hand)
    for _ in range(2):
        await hand.receive(about(message))
    await hand.record([fact(message, "sent", hand.carrier_id)])
    assert (await hand.receive(about(message), about(message))).matched == 2
    assert await hand.states() == {message.message_id: "delivered"}
    assert await hand.all(ORPHANS) == []
    await hand.check()


async def test_what_crossed_with_its_answer_is_found_by_sweep(hand: Hand) -> None:
    """Neither commit saw the other: the answer is recorded while the receipt is not an orphan yet."""
    (message,) = await send(hand, "77")
    await hand.run(
        "INSERT INTO orphans (carrier_id, carrier_reference, recipient, sender, state, reason, user_message_reference, raw, received_at)"
        f" VALUES ({hand.carrier_id}, '77', '{message.recipient}', 'CLARION', 'delivered', '', -1, '', {hand.at})"
    )
    assert (await sweep(hand)).fitted == 1
    assert await hand.states() == {message.message_id: "delivered"}


async def test_an_id_of_another_carrier_says_nothing(hand: Hand) -> None:
    (message,) = await send(hand, "77")
    other = await hand.carrier("other", "999")
    assert (await hand.receive(note("77", message.recipient), carrier_id=other)).orphaned == 1
    assert await hand.states() == {message.message_id: "sent"}


@pytest.mark.parametrize("reference", ["77", "", "0"])
async def test_who_was_answered_without_an_id_is_nobody_s(hand: Hand, reference: str) -> None:
    """The message is sent and charged; whatever its receipts name, they are kept and move it not."""
    (message,) = await mark(hand)
    await hand.record([fact(message, "sent", hand.carrier_id, reference="")])
    assert (await hand.receive(note(reference, message.recipient))).orphaned == 1
    assert await hand.all(sa.select(t.deliveries.c.state, t.deliveries.c.charged_milli)) == [("sent", PRICE)]
    assert await hand.all(ORPHANS) == [(reference, str(message.recipient))]
    await hand.check()


async def test_delivered_stays_and_undelivered_becomes_delivered(hand: Hand) -> None:
    first, second = await send(hand, count=2)
    await hand.receive(about(first), about(second, "undelivered"))
    await hand.receive(about(first, "undelivered"), about(second))
    assert set((await hand.states()).values()) == {"delivered"}
    ((reason,), (other,)) = await hand.all(sa.select(t.deliveries.c.reason))
    assert reason is None
    assert other is None
    await hand.check()


async def test_both_states_in_one_batch_come_to_delivered(hand: Hand) -> None:
    (message,) = await send(hand)
    await hand.receive(about(message), about(message, "undelivered"))
    assert await hand.states() == {message.message_id: "delivered"}
    await hand.check()


async def test_an_undelivered_message_keeps_its_reason_and_its_charge(hand: Hand) -> None:
    (message,) = await send(hand)
    await hand.receive(about(message, "undelivered"))
    assert await hand.all(sa.select(t.deliveries.c.state, t.deliveries.c.reason, t.deliveries.c.charged_milli)) == [
        ("undelivered", "UNDELIV err:034", PRICE)
    ]
    await hand.check()


async def test_an_intermediate_state_is_no_orphan_and_moves_nothing_but_an_unknown(hand: Hand) -> None:
    (sent,) = await send(hand)
    assert (await hand.receive(about(sent, ""), note("nobody", 254_700_000_000, ""))) == (1, 0, Counter(literal=1))
    assert await hand.states() == {sent.message_id: "sent"}
    assert await hand.all(ORPHANS) == []


async def test_what_a_carrier_says_without_an_end_is_kept_until_the_end(hand: Hand) -> None:
    """UNKNOWN, and words that nobody knows: the message stays sent, and its history tells which."""

    async def shown() -> tuple[str | None, list[str]]:
        history = await hand.store.read(message_history, accepted.broadcast_id, 1)
        assert history is not None
        return history.reason, [event.detail for event in history.events if event.what == "receipt"]

    accepted = await hand.accept(1)
    (message,) = (await hand.take()).messages
    await hand.record([fact(message, "sent", hand.carrier_id, reference=f"r{message.message_id}")])
    for words in ("ENROUTE err:0", "UNKNOWN err:000"):
        await hand.receive(about(message, "", reason=words))
        assert await shown() == (words, [f"{words}, which is no end"])
    await hand.receive(about(message, "", reason=""))
    assert await hand.states() == {message.message_id: "sent"}
    assert (await shown())[0] == "UNKNOWN err:000"
    await hand.receive(about(message), about(message, "", reason="UNKNOWN err:000"))
    assert await hand.states() == {message.message_id: "delivered"}
    assert await shown() == (None, [])
    await hand.check()


async def test_what_a_carrier_says_of_an_unknown_or_of_a_part_is_kept_too(hand: Hand) -> None:
    (lost, long) = await mark(hand, 2)
    await hand.record(
        [fact(lost, "unknown", hand.carrier_id, reference="u1"), fact(long, "sent", hand.carrier_id)],
        parts=[PartFact(long.message_id, 1, part, hand.carrier_id, f"p{part}", "sent", None) for part in (1, 2)],
    )
    unclear = {"state": "", "reason": "UNKNOWN err:000"}
    await hand.receive(note("u1", lost.recipient, **unclear), note("p2", long.recipient, **unclear))
    assert await hand.all(sa.select(t.deliveries.c.state, t.deliveries.c.reason).order_by(t.deliveries.c.message_id)) == [
        ("sent", "UNKNOWN err:000"),
        ("sent", None),
    ]
    assert await hand.all(sa.select(t.parts.c.state, t.parts.c.reason).order_by(t.parts.c.part)) == [
        ("sent", None),
        ("sent", "UNKNOWN err:000"),
    ]
    await hand.check()


async def test_a_receipt_of_an_earlier_attempt_twice_in_one_batch(hand: Hand) -> None:
    """It goes to `attempts`; delivered, of whichever attempt, ends the message."""
    (message,) = await send(hand, "77")
    await hand.run(
        "INSERT INTO attempts (message_id, attempt, carrier_id, carrier_reference, outcome, ended_at)"
        f" VALUES ({message.message_id}, 1, {hand.carrier_id}, '77', 'unknown', {hand.at})"
    )
    await hand.run("UPDATE deliveries SET attempt = 2, state = 'retry', rank = 5, carrier_reference = NULL, charged_milli = 0")
    await hand.receive(note("77", message.recipient, "undelivered"), note("77", message.recipient, "undelivered"))
    assert await hand.states() == {message.message_id: "retry"}
    assert await hand.all(sa.select(t.attempts.c.outcome, t.attempts.c.receipt)) == [("unknown", "undelivered")]
    await hand.receive(note("77", message.recipient), note("77", message.recipient))
    assert await hand.states() == {message.message_id: "delivered"}


async def test_a_carrier_is_known_for_its_form_after_twenty_votes(hand: Hand) -> None:
    """Only receipts that one form alone leads to count, and the form is kept with the carrier."""
    messages = await mark(hand, TWENTY)
    await hand.record([fact(m, "sent", hand.carrier_id, reference=f"{0xABCD00 + m.message_id:x}") for m in messages])
    receiver = Receiver(hand.runtime, hand.carrier_id, None)

    def receipt(message: Marked) -> Receipt:
        return Receipt(str(0xABCD00 + message.message_id), str(message.recipient), "CLARION", "delivered", "", -1, b"", 1)

    await receiver.receive([receipt(message) for message in messages[:-1]])
    assert receiver.form is None
    await receiver.receive([receipt(messages[-1])])
    assert receiver.form == "decimal_to_hex"
    assert await hand.all(sa.select(t.carriers.c.reference_form)) == [("decimal_to_hex",)]
    assert set((await hand.states()).values()) == {"delivered"}


async def test_a_form_that_changes_is_learned_anew(hand: Hand) -> None:
    receiver = Receiver(hand.runtime, hand.carrier_id, "decimal_to_hex")
    messages = await mark(hand, TWENTY)
    await hand.record([fact(m, "sent", hand.carrier_id, reference=f"{0xABCD00 + m.message_id:x}") for m in messages])
    for m in messages:
        await receiver.receive([Receipt(f"{0xABCD00 + m.message_id:x}", str(m.recipient), "CLARION", "delivered", "", -1, b"", 1)])
    assert receiver.form == "literal"
    assert set((await hand.states()).values()) == {"delivered"}


def delivery(recipient: str, octets: bytes, esm_class: int = 4, data_coding: int = 0) -> Receipt | InboundText:
    """As it comes from the wire, in message_payload, which may be long."""
    parameters = pdu.encode_parameters({pdu.MESSAGE_PAYLOAD: octets})
    message = pdu.Message(recipient, "CLARION", b"", esm_class, data_coding, parameters=parameters)
    found = decode_delivery(pdu.frame(pdu.DELIVER_SM, 0, 9, pdu.encode_message(message)), 9)
    assert isinstance(found, Receipt | InboundText)
    return found


async def test_zeros_of_a_carrier_keep_nothing_from_being_stored(hand: Hand) -> None:
    """PostgreSQL refuses them in texts, and a carrier brings again what is not acknowledged."""
    (message,) = await send(hand, "77")
    number = str(message.recipient)
    receiver = Receiver(hand.runtime, hand.carrier_id, None)
    await receiver.receive(
        [
            delivery(number, b"id:77\0 stat:UNDELIV\0 err:5\0"),
            delivery(number, b"id:\x0088\x0099 stat:DELIVRD\0"),
            delivery(number, b"a\0b\0", esm_class=0, data_coding=4),
            delivery(number, b"\0a\0\0\0b", esm_class=0, data_coding=8),
        ]
    )
    assert await hand.states() == {message.message_id: "undelivered"}
    assert await hand.all(sa.select(t.deliveries.c.reason)) == [("UNDELIV err:5",)]
    assert await hand.all(ORPHANS) == [("88", number)]
    assert await hand.all(sa.select(t.inbound.c.text)) == [("a\ufffdb",), ("a\ufffdb",)]


@pytest.mark.parametrize("digit", [b"7", b"a", b"z"])
async def test_an_id_that_is_too_long_fits_nothing_and_is_kept(hand: Hand, digit: bytes) -> None:
    (message,) = await send(hand, digit.decode() * 64)
    other = delivery(str(message.recipient), b"id:" + digit * 60_000 + b" stat:DELIVRD")
    assert isinstance(other, Receipt)
    await Receiver(hand.runtime, hand.carrier_id, "decimal_to_hex").receive([other])
    assert await hand.states() == {message.message_id: "sent"}
    assert await hand.all(ORPHANS) == [(digit.decode() * 65, str(message.recipient))]
    hand.clock.at += HOUR
    assert (await sweep(hand)).fitted == 0


@pytest.mark.parametrize("form", [None, "literal", "hex_to_decimal", "decimal_to_hex"])
async def test_no_id_is_too_long_to_be_looked_up(hand: Hand, form: str | None) -> None:
    """Nor one that was kept whole. Python reads no number of 5,000 digits."""
    (message,) = await send(hand, "77")
    assert (await hand.receive(note("7" * 5_000, message.recipient), form=form)).matched == 0
    assert (await sweep(hand)).fitted == 0
    await hand.store.write(orphans.retry_with_references, hand.carrier_id, form, ["7" * 5_000], hand.at)


def test_notes_are_what_receive_stores() -> None:
    assert note("a", 1) == Receipt("a", "1", "CLARION", "delivered", "", -1, b"raw")
