"""What a simulated SMSC does with a submit whose fate is out of the ordinary."""

from typing import TYPE_CHECKING, Final, NamedTuple

from clarion.carriers.smpp import pdu, status
from clarion.carriers.smpp.pdu import frame
from clarion.carriers.smpp.receipts import HAS_HEADER
from clarion.core.text import GSM7, encode_gsm7, encode_ucs2, measure, split
from clarion.simulator import garbage
from clarion.simulator.account import TextBody
from clarion.simulator.faults import Fate

if TYPE_CHECKING:
    from clarion.simulator.session import SmscSession
    from clarion.simulator.smsc import Smsc

EARLY_S: Final = 0.05
"""How long the answer is kept back behind an early receipt: enough for the other side to see the receipt alone."""

STRANGER_DIGITS: Final = 8
"""Of a number that is made somebody else's: as many as a receipt's recipient is known by."""

NEVER_GIVEN: Final = 1 << 60
"""Beyond every id: the clock's microseconds reach it in some 36,000 years."""

RECEIPT: Final = b"\0%b%b\x04\0\0\0\0\0\0\0\0%c%b"
"""A deliver_sm of esm_class 4 from the recipient to the sender, with addresses as the submit had them; then length and text."""


class Taken(NamedTuple):
    """A submit that got an id. Addresses with their types before and a zero behind; `at` as receipts write times; `answer` is whole."""

    message_id: int
    sequence: int
    source: bytes
    destination: bytes
    quote: bytes
    at: bytes
    wants_receipt: bool
    answer: bytes


class Batch:
    """What the submits of one read bring: answers in one write, receipts behind them."""

    __slots__ = ("answers", "ends", "garbage", "receipts", "refusals")

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.receipts: list[bytes] = []
        self.refusals: list[int] = []
        self.garbage: list[str] = []
        self.ends = ""

    def refuse(self, command_status: int, sequence: int) -> None:
        """Answer a submit with a no."""
        self.refusals.append(command_status)
        self.answers.append(frame(pdu.SUBMIT_SM_RESP, command_status, sequence))


def misbehave(session: "SmscSession", smsc: "Smsc", fate: Fate, taken: Taken, batch: Batch) -> None:
    """Do to this submit what its fate says, by way of the batch or aside at another time."""
    if taken.wants_receipt:
        _bring_receipts(session, smsc, fate, taken, batch)
    _write_back(session, smsc, fate, taken)
    if fate.ends:
        smsc.counters.faults[fate.ends] += 1
        batch.ends = fate.ends
        return
    in_order = _answer(session, smsc, fate, taken, batch)
    if fate.garbage:
        # Behind nothing of its own it would be the only answer, and a wrong one.
        kind = fate.garbage if in_order or fate.garbage != "second_answer" else "stray_answer"
        batch.answers.append(garbage.octets(kind, garbage.Occasion(taken.sequence, smsc.faults.noise(garbage.NOISE_OCTETS))))
        batch.garbage.append(kind)


def text_bodies(source: str, destination: str, text: str, reference: int) -> list[bytes]:
    """A text from a phone, in as many deliver_sm as it takes; `reference` ties its parts together."""
    size = measure(text)
    parts = split(text, size.encoding)
    encode, coding = (encode_gsm7, pdu.GSM7_CODING) if size.encoding == GSM7 else (encode_ucs2, pdu.UCS2_CODING)
    return [
        TextBody(
            pdu.encode_message(
                pdu.Message(
                    source=source,
                    destination=destination,
                    short_message=(bytes((5, 0, 3, reference & 0xFF, len(parts), number)) if len(parts) > 1 else b"") + encode(part),
                    esm_class=HAS_HEADER if len(parts) > 1 else 0,
                    data_coding=coding,
                    source_ton=1,
                    source_npi=1,
                )
            )
        )
        for number, part in enumerate(parts, 1)
    ]


def _answer(session: "SmscSession", smsc: "Smsc", fate: Fate, taken: Taken, batch: Batch) -> bool:
    """Whether the answer goes in the order of the submits."""
    counters = smsc.counters
    if not fate.answered:
        counters.faults["unanswered"] += 1
        return False
    if fate.answer_late:
        counters.faults["answer_late"] += 1
    after_s = fate.answer_after_s + (EARLY_S if fate.early else 0) + (smsc.settings.answer_late_ms / 1000 if fate.answer_late else 0)
    if not after_s:
        batch.answers.append(taken.answer)
        return True

    def late() -> None:
        counters.answers[status.OK] += session.write([taken.answer])

    smsc.schedule.after(smsc.answer_delay_s + after_s, late)
    return False


def _bring_receipts(session: "SmscSession", smsc: "Smsc", fate: Fate, taken: Taken, batch: Batch) -> None:
    settings, counters, account = smsc.settings, smsc.counters, session.account
    receipts: list[bytes] = []
    if fate.receipt:
        text = smsc.receipt_text(taken.message_id, fate.receipt, taken.at, taken.quote, other_id=fate.other_id)
        receipts = [RECEIPT % (taken.destination, taken.source, *text)] * (2 if fate.twice else 1)
        counters.receipts[fate.receipt.decode()] += len(receipts)
    else:
        counters.faults["receipt_never"] += 1
    for name in ("early", "late", "twice"):
        if getattr(fate, name):
            counters.faults[f"receipt_{name}"] += 1
    if fate.other_id and fate.receipt:
        counters.faults["receipt_other_id_form"] += 1
    if fate.foreign:
        counters.faults["receipt_foreign"] += 1
        batch.receipts.append(_foreign(smsc, taken))
    if not receipts or account is None:
        return
    if not (fate.early or fate.late or fate.receipt_after_s or fate.answer_after_s):
        batch.receipts += receipts
        return
    after_s = smsc.answer_delay_s + fate.answer_after_s + smsc.receipt_delay_s + fate.receipt_after_s
    after_s = 0 if fate.early else after_s + (settings.receipt_late_ms / 1000 if fate.late else 0)
    smsc.schedule.after(after_s, lambda: account.send(receipts, session))


def _foreign(smsc: "Smsc", taken: Taken) -> bytes:
    """A receipt to our sender about a message to somebody else: under an id that nobody was given, or under the one just given."""
    number = taken.destination[2:-1]
    digits = min(len(number), STRANGER_DIGITS)
    stranger = taken.destination[:2] + number[: len(number) - digits] + smsc.faults.stranger(digits) + b"\0"
    message_id = taken.message_id if smsc.counters.faults["receipt_foreign"] % 2 else taken.message_id | NEVER_GIVEN
    return RECEIPT % (stranger, taken.source, *smsc.receipt_text(message_id, b"DELIVRD", taken.at, b""))


def _write_back(session: "SmscSession", smsc: "Smsc", fate: Fate, taken: Taken) -> None:
    settings, account = smsc.settings, session.account
    if account is None:
        return
    phone, us = taken.destination[2:-1].decode("latin-1"), taken.source[2:-1].decode("latin-1")
    for text, delay_ms in ((fate.reply, settings.reply_delay_ms), (fate.stop, settings.stop_delay_ms)):
        if text:
            bodies = text_bodies(phone, us, text, taken.message_id)
            smsc.counters.texts_sent += len(bodies)
            smsc.schedule.after(smsc.answer_delay_s + delay_ms / 1000, lambda bodies=bodies: account.send(bodies, session))  # type: ignore[misc]
    smsc.counters.replies += bool(fate.reply)
    smsc.counters.stops += bool(fate.stop)
