"""Long messages (section 3 of the design): parts in order, one price, delivered by all of their receipts, undelivered by any."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.flow.hand import PRICE, SECOND, Hand, by_hand, counters_are_exact, fact, ledger_is_exact, note
from tests.flow.rig import numbers, road

from clarion.core.text import measure
from clarion.simulator.settings import SmscSettings
from clarion.store import Store, doctor, orphans
from clarion.store import tables as t
from clarion.store.facts import PartFact
from clarion.store.marks import Marked

TEXTS = {"gsm7": "0123456789" * 35 + "{}€" * 10, "ucs2": "Привет, как дела? " * 9}
STATES = sa.select(t.deliveries.c.state, t.deliveries.c.charged_milli)


@pytest.mark.parametrize("encoding", TEXTS)
async def test_a_long_text_arrives_whole_and_is_charged_once(store: Store, tmp_path: Path, encoding: str) -> None:
    """Over real SMPP: the parts of each message, put together by reference and number, are its text; a segment costs its price."""
    text = TEXTS[encoding]
    assert (measure(text).encoding, measure(text).segments) == (encoding, 3)
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(twice_share=0.3, early_share=0.3, log_file=log), options="window=7") as here:
        accepted = await here.accept(numbers(12), text)
        view = await here.until(accepted, lambda v: v.counts["delivered"] == 12)
        assert view.state == "completed"
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        for recipient in numbers(12):
            parts = [line for line in lines if line["destination"] == recipient]
            assert [(line["part"], line["total"]) for line in parts] == [(1, 3), (2, 3), (3, 3)]
            assert len({line["ref"] for line in parts}) == 1
            assert "".join(line["text"] for line in parts) == text
        assert await here.all(STATES) == [("delivered", 3 * PRICE)] * 12
        await here.runtime.store.read(ledger_is_exact)
        await here.runtime.store.read(counters_are_exact)


@pytest.mark.parametrize("options", ["long=udh16", "long=sar", "long=payload", "receipt=last", "long=sar&receipt=last&alphabet=ascii"])
@pytest.mark.parametrize("encoding", TEXTS)
async def test_every_way_over_the_wire_arrives_whole_and_costs_the_same(store: Store, tmp_path: Path, encoding: str, options: str) -> None:
    # The simulator reads GSM-7: of what differs there is nothing in this one.
    text = TEXTS[encoding].translate(str.maketrans("{}€", "()e")) if "ascii" in options else TEXTS[encoding]
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(log_file=log), options=f"window=7&{options}") as here:
        accepted = await here.accept(numbers(5), text)
        view = await here.until(accepted, lambda v: v.counts["delivered"] == 5)
        assert view.state == "completed"
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert len(lines) == 5 * (1 if "payload" in options else 3)
        for recipient in numbers(5):
            assert "".join(line["text"] for line in lines if line["destination"] == recipient) == text
        assert await here.all(STATES) == [("delivered", 3 * PRICE)] * 5
        await here.runtime.store.read(ledger_is_exact)
        await here.runtime.store.read(counters_are_exact)


async def test_what_the_carriers_alphabet_cannot_carry_at_this_price_is_refused_and_free(store: Store, tmp_path: Path) -> None:
    """Three segments in GSM-7 would be six in UCS-2: nothing goes out, not even a part."""
    log = tmp_path / "smsc.log"
    async with road(store, SmscSettings(log_file=log), options="alphabet=latin1") as here:
        accepted = await here.accept(numbers(2), TEXTS["gsm7"])
        await here.until(accepted, lambda v: v.counts["refused"] == 2)
        reasons = await here.all(sa.select(t.deliveries.c.reason).distinct())
        assert reasons == [("the carrier's alphabet, latin1, cannot write this text, and UCS-2 takes more segments than were paid for",)]
        assert await here.all(STATES) == [("refused", 0)] * 2
        await here.runtime.store.read(ledger_is_exact)
        assert not log.read_text()


async def test_one_undelivered_recipient_does_not_touch_the_others(store: Store) -> None:
    """Aimed at by number: 0001 is refused, 0002 undelivered, 0003 never has a receipt."""
    async with road(store, SmscSettings(aimed_failures=True)) as here:
        accepted = await here.accept(numbers(5), TEXTS["ucs2"])
        view = await here.until(accepted, lambda v: v.counts["delivered"] == 2 and v.counts["undelivered"] == 1)
        assert (view.counts["refused"], view.counts["sent"]) == (1, 1)
        by_recipient = sa.select(t.messages.c.recipient, t.deliveries.c.state).join_from(
            t.messages, t.deliveries, t.messages.c.id == t.deliveries.c.message_id
        )
        assert {recipient % 10: state for recipient, state in await here.all(by_recipient)} == {
            0: "delivered",
            1: "refused",
            2: "undelivered",
            3: "sent",
            4: "delivered",
        }
        await here.runtime.store.read(ledger_is_exact)


@pytest.fixture
async def hand(store: Store) -> Hand:
    return await by_hand(store)


def part(message: Marked, number: int, state: str = "sent", carrier_id: int = 1) -> PartFact:
    reference = f"r{message.message_id}-{number}" if state == "sent" else None
    return PartFact(message.message_id, message.attempt, number, carrier_id, reference, state, None)


async def begin(hand: Hand, states: str, message_state: str) -> Marked:
    """A message of three parts with these outcomes: s sent, u unknown, - none known."""
    await hand.accept(1, text=TEXTS["gsm7"])
    (message,) = (await hand.take()).messages
    words = {"s": "sent", "u": "unknown"}
    parts = [part(message, number, words[word]) for number, word in enumerate(states, 1) if word in words]
    await hand.record([fact(message, message_state, hand.carrier_id, reference=None)], parts=parts)
    return message


async def sweep(hand: Hand) -> int:
    hand.clock.at += SECOND
    return (await hand.store.write(orphans.retry_page, 0, hand.at, hand.at)).fitted


async def hear(hand: Hand, message: Marked, *numbers_: int, state: str = "delivered") -> None:
    hand.clock.at += SECOND
    await hand.receive(*(note(f"r{message.message_id}-{number}", message.recipient, state) for number in numbers_))


async def test_delivered_needs_the_receipt_of_every_part(hand: Hand) -> None:
    message = await begin(hand, "sss", "sent")
    for number in (3, 1, 1):
        await hear(hand, message, number)
        assert await hand.all(STATES) == [("sent", 3 * PRICE)]
    await hear(hand, message, 2)
    assert await hand.all(STATES) == [("delivered", 3 * PRICE)]
    await hand.check()


async def test_receipts_of_all_parts_in_one_batch(hand: Hand) -> None:
    message = await begin(hand, "sss", "sent")
    await hear(hand, message, 1, 2, 3, 2)
    assert await hand.all(STATES) == [("delivered", 3 * PRICE)]
    await hand.check()


async def test_undelivered_by_any_part_and_lifted_only_by_that_part(hand: Hand) -> None:
    """The carrier changes its mind about one part: delivered then, if the others are."""
    message = await begin(hand, "sss", "sent")
    await hear(hand, message, 2, state="undelivered")
    assert await hand.all(STATES) == [("undelivered", 3 * PRICE)]
    await hear(hand, message, 1, 3)
    assert await hand.all(STATES) == [("undelivered", 3 * PRICE)]
    await hear(hand, message, 2)
    assert await hand.all(STATES) == [("delivered", 3 * PRICE)]
    await hand.check()


async def test_a_message_of_which_two_parts_were_never_given_is_not_delivered_by_one(hand: Hand) -> None:
    message = await begin(hand, "s--", "unknown")
    await hear(hand, message, 1)
    assert await hand.all(STATES) == [("unknown", 0)]
    await hand.check()


async def test_a_lost_part_gets_its_receipt_and_the_message_is_sent_and_waits_for_the_others(hand: Hand) -> None:
    """The second part's answer was lost: its receipt has an id that nobody knows. It says that the carrier has all parts."""
    message = await begin(hand, "sus", "unknown")
    hand.clock.at += SECOND
    await hand.receive(note("77", message.recipient), note("77", message.recipient))
    assert await sweep(hand) == 2
    assert await hand.all(STATES) == [("sent", 3 * PRICE)]
    await hear(hand, message, 1, 3)
    assert await hand.all(STATES) == [("delivered", 3 * PRICE)]
    await hand.check()


async def test_after_a_lost_process_three_receipts_with_ids_of_their_own_deliver(hand: Hand) -> None:
    """Nothing is known but that the message was marked: one receipt says nothing about the other parts."""
    message = await begin(hand, "---", "unknown")
    for number, states in enumerate((("unknown", 0), ("unknown", 0), ("delivered", 3 * PRICE))):
        hand.clock.at += SECOND
        await hand.receive(note(f"7{number}", message.recipient))
        assert await sweep(hand) == 1
        assert await hand.all(STATES) == [states]
    await hand.receive(note("70", message.recipient))
    assert await hand.all(sa.select(t.orphans.c.id)) == []
    hand.clock.at += SECOND
    await hand.receive(note("79", message.recipient))
    assert await sweep(hand) == 0
    await hand.check()


async def test_after_a_lost_process_one_undelivered_part_is_enough(hand: Hand) -> None:
    """Nobody pays: of the third part nothing was heard."""
    message = await begin(hand, "---", "unknown")
    hand.clock.at += SECOND
    await hand.receive(note("71", message.recipient), note("72", message.recipient, "undelivered"))
    assert await sweep(hand) == 2
    assert await hand.all(STATES) == [("undelivered", 0)]
    await hand.check()


@pytest.mark.parametrize(
    ("parts", "receipts", "state", "charged"),
    [
        ("sus", [(1, "undelivered")], "undelivered", 0),
        ("s--", [(1, "undelivered")], "undelivered", 0),
        ("sus", [(1, "delivered")], "unknown", 0),
        ("sus", [(1, "delivered"), (3, "undelivered")], "undelivered", 0),
        ("sss", [(1, "undelivered")], "undelivered", 3 * PRICE),
        ("sss", [(1, "delivered"), (3, "undelivered")], "undelivered", 3 * PRICE),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_failed_part_is_paid_only_where_the_carrier_took_all_of_them(
    hand: Hand, parts: str, receipts: list[tuple[int, str]], state: str, charged: int, at_once: bool
) -> None:
    """A receipt says that its own part was taken. What is released then stays so, whatever is heard of the others later."""
    message = await begin(hand, parts, "unknown" if "sss" not in parts else "sent")
    notes = [note(f"r{message.message_id}-{number}", message.recipient, said) for number, said in receipts]
    for some in [notes] if at_once else [[one] for one in notes]:
        await hand.receive(*some)
    assert await hand.all(STATES) == [(state, charged)]
    await hand.check()
    if state == "undelivered":
        late = [part(message, number) for number in (1, 2, 3)]
        await hand.record([], parts=late)
        assert await hand.all(STATES) == [(state, charged)]
        await hear(hand, message, 1, 2, 3)
        assert await hand.all(STATES) == [("delivered", charged)]
    await hand.check()
    assert [finding for finding in await hand.store.read(doctor.examine, hand.at) if finding.severity == "error"] == []


async def test_receipts_before_the_answers_of_the_parts_wait_for_them(hand: Hand) -> None:
    await hand.accept(1, text=TEXTS["gsm7"])
    (message,) = (await hand.take()).messages
    await hear(hand, message, 1, 3, 2)
    assert await hand.all(STATES) == []
    await hand.record([fact(message, "sent", hand.carrier_id, reference=None)], parts=[part(message, number) for number in (1, 2, 3)])
    assert await hand.all(STATES) == [("delivered", 3 * PRICE)]
    assert await hand.all(sa.select(t.orphans.c.id)) == []
    await hand.check()


async def one_receipt(hand: Hand, option: str) -> None:
    await hand.run(f"UPDATE carriers SET url = 'smpp://nobody@127.0.0.1:1?{option}'")


async def test_the_last_parts_receipt_is_for_all_where_the_carrier_says_so(hand: Hand) -> None:
    await one_receipt(hand, "receipt=last")
    message = await begin(hand, "sss", "sent")
    await hear(hand, message, 1)
    assert await hand.all(STATES) == [("sent", 3 * PRICE)]
    await hear(hand, message, 3)
    assert await hand.all(STATES) == [("delivered", 3 * PRICE)]
    await hand.check()


@pytest.mark.parametrize("state", ["delivered", "undelivered"])
@pytest.mark.parametrize(("parts", "option"), [("ssu", "receipt=last"), ("---", "long=payload")])
async def test_one_receipt_with_an_id_of_its_own_ends_a_lost_message(hand: Hand, parts: str, option: str, state: str) -> None:
    await one_receipt(hand, option)
    message = await begin(hand, parts, "unknown")
    hand.clock.at += SECOND
    await hand.receive(note("77", message.recipient, state))
    assert await sweep(hand) == 1
    assert await hand.all(STATES) == [(state, 3 * PRICE)]
    await hand.check()


async def test_undelivered_by_the_last_part_alone(hand: Hand) -> None:
    await one_receipt(hand, "receipt=last")
    message = await begin(hand, "sss", "sent")
    await hear(hand, message, 3, state="undelivered")
    assert await hand.all(STATES) == [("undelivered", 3 * PRICE)]
    await hand.check()
