"""A submission as a submit_sm (SMPP 3.4, 4.4.1): addresses, alphabets, long messages, validity."""

from typing import Final

from clarion.carriers.interface import Submission
from clarion.carriers.smpp.pdu import (
    GSM7_CODING,
    HEADER,
    HEADER_OCTETS,
    PARAMETER,
    SHORT_MESSAGE_OCTETS_MAX,
    SUBMIT_SM,
    UCS2_CODING,
    USER_MESSAGE_REFERENCE,
)
from clarion.carriers.smpp.settings import SENDER_CHARACTERS_MAX
from clarion.core.clock import MICROS_PER_SECOND
from clarion.core.text import GSM7, encode_gsm7, encode_ucs2

UDH: Final = 0x40
UDH_8_BIT_REFERENCE: Final = b"\x05\x00\x03"
"""Five octets follow: a concatenation header of three, with an 8-bit reference (3GPP TS 23.040, 9.2.3.24.1)."""

INTERNATIONAL: Final = 1
ALPHANUMERIC: Final = 5
E164: Final = 1
UNTYPED_DIGITS_MAX: Final = 10
"""Up to here digits alone are a short code or a national number, whose type only the carrier knows; longer ones are international."""

VALIDITY_S_MAX: Final = 30 * 86_400
"""Relative time counts days in two digits, and no carrier keeps a message longer."""

MEMO_MAX: Final = 1_024
"""Senders and tails are few; a stranger's stream of different ones must not grow without end."""


class SubmitEncoder:
    """Makes the submit_sm of one bind. Remembers what repeats from one message to the next: senders, tails, and the last text."""

    def __init__(self, default_sender: str, *, user_message_reference: bool) -> None:
        self._default_sender = default_sender
        self._sends_reference = user_message_reference
        self._heads: dict[str, bytes] = {}
        self._tails: dict[tuple[bool, int, int], bytes] = {}
        self._text = ""
        self._encoding = ""
        self._octets = b""

    def encode(self, submission: Submission, sequence: int, now: int) -> bytes:
        """The whole PDU. `now` in microseconds. Raises ValueError, saying why, where no submit_sm can carry it."""
        text = submission.text
        if text != self._text or submission.encoding != self._encoding:
            self._octets = encode_gsm7(text) if submission.encoding == GSM7 else encode_ucs2(text)
            self._text, self._encoding = text, submission.encoding
        octets = self._octets
        long = submission.parts > 1
        if long:
            octets = b"%b%c%c%c%b" % (UDH_8_BIT_REFERENCE, submission.part_reference & 0xFF, submission.parts, submission.part, octets)
        if len(octets) > SHORT_MESSAGE_OCTETS_MAX:
            raise ValueError(f"the text takes {len(octets)} octets; a submit_sm carries {SHORT_MESSAGE_OCTETS_MAX}")
        coding = GSM7_CODING if submission.encoding == GSM7 else UCS2_CODING
        expires_at = submission.expires_at
        validity_s = 0 if expires_at is None else max(1, min((expires_at - now) // MICROS_PER_SECOND, VALIDITY_S_MAX))
        body = b"%b%d\0%b%c%b" % (
            self._heads.get(submission.sender) or self._head(submission.sender),
            submission.recipient,
            self._tails.get((long, coding, validity_s)) or self._tail(long, coding, validity_s),
            len(octets),
            octets,
        )
        if self._sends_reference:
            body += PARAMETER.pack(USER_MESSAGE_REFERENCE, 2) + (submission.message_id & 0xFFFF).to_bytes(2, "big")
        return HEADER.pack(HEADER_OCTETS + len(body), SUBMIT_SM, 0, sequence) + body

    def _head(self, sender: str) -> bytes:
        """service_type, source and the type of the destination, up to its digits."""
        ton, npi, address = sender_address(sender or self._default_sender)
        if len(self._heads) >= MEMO_MAX:
            self._heads.clear()
        head = self._heads[sender] = b"\0%c%c%b\0%c%c" % (ton, npi, address, INTERNATIONAL, E164)
        return head

    def _tail(self, long: bool, coding: int, validity_s: int) -> bytes:
        """esm_class to sm_default_msg_id: no schedule, a receipt for every end."""
        if len(self._tails) >= MEMO_MAX:
            self._tails.clear()
        tail = self._tails[long, coding, validity_s] = b"%c\0\0\0%b\0\x01\0%c\0" % (UDH if long else 0, validity_period(validity_s), coding)
        return tail


def sender_address(sender: str) -> tuple[int, int, bytes]:
    """Type of number, numbering plan and address of a sender. Raises ValueError if SMPP cannot carry it.

    `+254…` and more than ten digits are international; fewer digits leave the type to the carrier; everything else is
    alphanumeric; no sender at all leaves the choice to the carrier.
    """
    if len(sender) > SENDER_CHARACTERS_MAX or not sender.isascii() or "\0" in sender:
        raise ValueError(f"the sender {sender!r} is not {SENDER_CHARACTERS_MAX} ASCII characters at most")
    if not sender:
        return 0, 0, b""
    digits = sender.removeprefix("+")
    if not digits.isdigit():
        return ALPHANUMERIC, 0, sender.encode()
    if digits != sender or len(digits) > UNTYPED_DIGITS_MAX:
        return INTERNATIONAL, E164, digits.encode()
    return 0, E164, digits.encode()


def validity_period(validity_s: int) -> bytes:
    """Relative time (7.1.1.2), so that neither side's calendar or zone can shorten it; 0 is the carrier's own validity."""
    if validity_s <= 0:
        return b""
    minutes, seconds = divmod(validity_s, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return b"0000%02d%02d%02d%02d000R" % (days, hours, minutes, seconds)
