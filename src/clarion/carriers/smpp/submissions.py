"""A submission as a submit_sm (SMPP 3.4, 4.4.1): addresses, alphabets, long messages, validity."""

from typing import Final

from clarion.carriers.interface import Submission
from clarion.carriers.smpp.parts import CODECS, LATIN1, ONE_OCTET, alphabet_for
from clarion.carriers.smpp.pdu import (
    GSM7_CODING,
    HEADER,
    HEADER_OCTETS,
    LATIN1_CODING,
    MESSAGE_PAYLOAD,
    SAR_PART,
    SAR_REFERENCE,
    SAR_TOTAL,
    SHORT_MESSAGE_OCTETS_MAX,
    SUBMIT_SM,
    UCS2_CODING,
    USER_MESSAGE_REFERENCE,
    encode_parameters,
)
from clarion.carriers.smpp.settings import SENDER_CHARACTERS_MAX, SmppSettings
from clarion.core.clock import MICROS_PER_SECOND
from clarion.core.text import GSM7, UCS2, encode_gsm7, encode_ucs2

UDH: Final = 0x40
UDH_8_BIT_REFERENCE: Final = b"\x05\x00\x03"
"""Five octets follow: a concatenation header of three, with an 8-bit reference (3GPP TS 23.040, 9.2.3.24.1)."""

UDH_16_BIT_REFERENCE: Final = b"\x06\x08\x04"
"""Six octets follow: the same with a 16-bit reference (9.2.3.24.8)."""

SEPTETS_ALONE: Final = 160
OCTETS_ALONE: Final = 140
"""What one segment carries: a payload is for what takes more."""

NO_RECEIPT: Final = 0x100
"""Above the eight bits of esm_class: no receipt is asked for."""

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
    """Makes the submit_sm of one bind. Remembers what repeats from one message to the next: senders, tails, the last text and PDU."""

    def __init__(self, settings: SmppSettings) -> None:
        self._settings = settings
        self._sends_parameters = settings.user_message_reference or settings.long in {"sar", "payload"}
        self._short_max = OCTETS_ALONE if settings.long == "payload" else SHORT_MESSAGE_OCTETS_MAX
        self._heads: dict[str, bytes] = {}
        self._tails: dict[tuple[int, int, int], bytes] = {}
        self._text = ""
        self._encoding = ""
        self._octets = b""
        self._coding = GSM7_CODING
        self._alike: tuple[str, str, str, int | None, int] | None = None
        self._before = self._behind = b""

    def encode(self, submission: Submission, sequence: int, now: int) -> bytes:
        """The whole PDU. `now` in microseconds. Raises ValueError, saying why, where no submit_sm can carry it."""
        if submission.parts > 1 or self._sends_parameters:
            before, behind = self._around(submission, now)
        else:
            # Messages of a broadcast that go out together differ in their recipients and sequences alone.
            alike = (submission.text, submission.encoding, submission.sender, submission.expires_at, now)
            if alike != self._alike:
                self._before, self._behind = self._around(submission, now)
                self._alike = alike
            before, behind = self._before, self._behind
        body = b"%b%d%b" % (before, submission.recipient, behind)
        return HEADER.pack(HEADER_OCTETS + len(body), SUBMIT_SM, 0, sequence) + body

    def _around(self, submission: Submission, now: int) -> tuple[bytes, bytes]:
        """The body before the digits of its recipient, and behind them."""
        text = submission.text
        if text != self._text or submission.encoding != self._encoding:
            self._octets, self._coding = self._encoded(text, submission.encoding)
            self._text, self._encoding = text, submission.encoding
        octets = self._octets
        kind, payload = 0, b""
        if submission.parts > 1:
            kind, octets = self._part(submission, octets)
        if len(octets) > self._short_max:
            octets, payload = self._beyond(octets)
        expires_at = submission.expires_at
        validity_s = 0 if expires_at is None else max(1, min((expires_at - now) // MICROS_PER_SECOND, VALIDITY_S_MAX))
        tail = self._tails.get((kind, self._coding, validity_s)) or self._tail(kind, self._coding, validity_s)
        behind = b"\0%b%c%b" % (tail, len(octets), octets)
        if self._sends_parameters:
            behind += self._parameters(submission, payload)
        return self._heads.get(submission.sender) or self._head(submission.sender), behind

    def _encoded(self, text: str, encoding: str) -> tuple[bytes, int]:
        """Octets and data_coding. What the carrier's alphabet lacks goes in another if that takes no more segments."""
        alphabet = self._settings.alphabet
        if encoding == GSM7 and alphabet == GSM7:
            return encode_gsm7(text), GSM7_CODING
        fitting = alphabet_for(alphabet, text) if encoding == GSM7 else encoding
        if fitting == GSM7:
            return text.encode(CODECS[alphabet]), GSM7_CODING
        if fitting == LATIN1:
            return text.encode(CODECS[LATIN1]), LATIN1_CODING
        octets = encode_ucs2(text)
        if encoding != UCS2 and len(octets) > OCTETS_ALONE:
            raise ValueError(
                f"the carrier's alphabet, {alphabet}, cannot write this text, and UCS-2 takes more segments than were paid for"
            )
        return octets, UCS2_CODING

    def _part(self, submission: Submission, octets: bytes) -> tuple[int, bytes]:
        """What kind of message a part is, and its octets behind their header."""
        settings, reference = self._settings, submission.part_reference
        kind = NO_RECEIPT if settings.receipt == "last" and submission.part < submission.parts else 0
        if settings.long == "sar":
            return kind, octets
        if settings.long == "udh16" and reference >= ONE_OCTET:
            header = b"%b%b%c%c" % (UDH_16_BIT_REFERENCE, (reference & 0xFFFF).to_bytes(2, "big"), submission.parts, submission.part)
        else:
            header = b"%b%c%c%c" % (UDH_8_BIT_REFERENCE, reference & 0xFF, submission.parts, submission.part)
        return kind | UDH, header + octets

    def _beyond(self, octets: bytes) -> tuple[bytes, bytes]:
        """short_message and message_payload of what is too long for the one."""
        if self._settings.long != "payload":
            raise ValueError(f"the text takes {len(octets)} octets; a submit_sm carries {SHORT_MESSAGE_OCTETS_MAX}")
        alone = OCTETS_ALONE if self._coding == UCS2_CODING else SEPTETS_ALONE
        return (octets, b"") if len(octets) <= alone else (b"", octets)

    def _parameters(self, submission: Submission, payload: bytes) -> bytes:
        found: dict[int, bytes] = {}
        if self._settings.user_message_reference:
            found[USER_MESSAGE_REFERENCE] = (submission.message_id & 0xFFFF).to_bytes(2, "big")
        if self._settings.long == "sar" and submission.parts > 1:
            found[SAR_REFERENCE] = (submission.part_reference & 0xFFFF).to_bytes(2, "big")
            found[SAR_TOTAL], found[SAR_PART] = bytes((submission.parts,)), bytes((submission.part,))
        if payload:
            found[MESSAGE_PAYLOAD] = payload
        return encode_parameters(found) if found else b""

    def _head(self, sender: str) -> bytes:
        """service_type, source and the type of the destination, up to its digits."""
        settings = self._settings
        ton, npi, address = sender_address(sender or settings.sender)
        if address and ton != ALPHANUMERIC:
            ton = ton if settings.source_ton is None else settings.source_ton
            npi = npi if settings.source_npi is None else settings.source_npi
        if len(self._heads) >= MEMO_MAX:
            self._heads.clear()
        head = self._heads[sender] = b"\0%c%c%b\0%c%c" % (ton, npi, address, settings.destination_ton, settings.destination_npi)
        return head

    def _tail(self, kind: int, coding: int, validity_s: int) -> bytes:
        """esm_class to sm_default_msg_id: no schedule, a receipt for every end unless `kind` says otherwise."""
        if len(self._tails) >= MEMO_MAX:
            self._tails.clear()
        tail = b"%c\0\0\0%b\0%c\0%c\0" % (kind & 0xFF, validity_period(validity_s), 0 if kind & NO_RECEIPT else 1, coding)
        self._tails[kind, coding, validity_s] = tail
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
