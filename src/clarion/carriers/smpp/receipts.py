"""What a delivery says: a receipt for a message that the carrier took, or a text that somebody sent (SMPP 3.4, appendix B and 5.2.12)."""

import re
from functools import lru_cache
from typing import Final

from clarion.carriers.interface import InboundText, Receipt
from clarion.carriers.smpp import pdu
from clarion.carriers.smpp.pdu import GSM7_CODING, UCS2_CODING, Malformed, Message, decode_data, decode_message, decode_parameters
from clarion.core.text import GSM7, REPLACEMENT, decode_gsm7, decode_ucs2

MESSAGE_TYPE: Final = 0x3C
"""The bits of esm_class that tell what kind of message it is (5.2.12)."""

SMSC_RECEIPT: Final = 0x04
INTERMEDIATE: Final = 0x20
HAS_HEADER: Final = 0x40
"""UDHI: the short message begins with a user data header."""

DELIVERED: Final = "delivered"
UNDELIVERED: Final = "undelivered"

STATE_NAMES: Final = {
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
    9: "SKIPPED",
}
"""message_state (5.2.28) by the words of receipt texts (appendix B). The last one is SMPP 5.0's (4.7.15): taken, and not sent on."""

STATES: Final = {
    "DELIV": DELIVERED,
    "UNDEL": UNDELIVERED,
    "EXPIR": UNDELIVERED,
    "DELET": UNDELIVERED,
    "REJEC": UNDELIVERED,
    "SKIPP": UNDELIVERED,
    "FAILE": UNDELIVERED,  # no word of the standard's, and many carriers' for UNDELIV
    "FAIL": UNDELIVERED,
}
"""By the first five letters, since carriers write DELIVRD, DELIVERED and everything between. Any other word, UNKNOWN among them, leaves
open what became of the message: no end."""

REFERENCE_CHARACTERS_MAX: Final = 64
"""Of a message_id (4.4.2), without the zero that ends it."""

WORD_CHARACTERS_MAX: Final = 32
"""Of a state or an error code that goes into a reason: carriers' own words have about ten."""

ADDRESS_CHARACTERS_MAX: Final = 64
"""Three times what 5.2.8 allows: nobody's address is longer, and what an index holds has an end."""

PARTS_MAX: Final = 255
"""sar_total_segments is one octet (5.3.2.23), as in a user data header."""


def decode_delivery(octets: bytes, sequence: int, alphabet: str = GSM7) -> Receipt | InboundText | Malformed:
    """The delivery in a whole deliver_sm. `sequence` is what acknowledges it, which need not be the one on the wire.

    `alphabet` is what this carrier means by data_coding 0.
    """
    canonical = _CANONICAL(octets)
    if canonical is not None:
        source, destination, sm_length, reference, stat, error = canonical.groups()
        if canonical.end(3) + sm_length[0] == len(octets):
            state, reason = _said(stat, error)
            return Receipt(
                normalise_reference(reference.decode("latin-1")),
                source.decode("latin-1"),
                destination.decode("latin-1"),
                state,
                reason,
                -1,
                octets,
                sequence,
            )
    return _delivery(decode_message(octets), octets, sequence, alphabet)


def decode_data_delivery(octets: bytes, sequence: int, alphabet: str = GSM7) -> Receipt | InboundText | Malformed:
    """The delivery in a whole data_sm, by which some carriers bring receipts and texts."""
    return _delivery(decode_data(octets), octets, sequence, alphabet)


def _delivery(message: Message | Malformed, octets: bytes, sequence: int, alphabet: str) -> Receipt | InboundText | Malformed:
    if isinstance(message, Malformed):
        return message
    if len(message.source) > ADDRESS_CHARACTERS_MAX or len(message.destination) > ADDRESS_CHARACTERS_MAX:
        message = message._replace(source=message.source[:ADDRESS_CHARACTERS_MAX], destination=message.destination[:ADDRESS_CHARACTERS_MAX])
    kind = message.esm_class & MESSAGE_TYPE
    parameters = decode_parameters(message.parameters) if message.parameters else {}
    if kind in {SMSC_RECEIPT, INTERMEDIATE} or (pdu.RECEIPTED_MESSAGE_ID in parameters and _tells_a_state(message, parameters)):
        return _receipt(message, parameters, sequence, octets)
    return inbound_text(message, parameters, sequence, alphabet)


@lru_cache(maxsize=1024)  # carriers have few, and a stranger's stream of different ones must not grow without end
def _said(stat: bytes, error: bytes) -> tuple[str, str]:
    """The state and the reason that these two fields of a receipt's text mean."""
    word = stat[:WORD_CHARACTERS_MAX].decode("latin-1").upper()
    state = STATES.get(word[:5], "")
    return state, "" if state == DELIVERED else f"{word} err:{error[:WORD_CHARACTERS_MAX].decode('latin-1')}"


def normalise_reference(reference: str) -> str:
    """A carrier's id as it is stored and compared: lower case, no leading zeros. What is nothing but zeros stays `0`.

    One that is longer than SMPP allows is cut to one character too many, so that it still shows as too long, and matches nothing.
    """
    short = reference.lower().lstrip("0") or reference[:1]
    return short if len(short) <= REFERENCE_CHARACTERS_MAX else short[: REFERENCE_CHARACTERS_MAX + 1]


_CANONICAL = re.compile(
    rb".{16}[^\0]*\0..([^\0]{0,%d})\0..([^\0]{0,%d})\0" % (ADDRESS_CHARACTERS_MAX, ADDRESS_CHARACTERS_MAX)
    + rb"%c..\0\0..[^%c].(.)" % (SMSC_RECEIPT, UCS2_CODING)
    + rb"id:([0-9a-z._-]+) sub:\d* dlvrd:\d* submit date:\d* done date:\d* stat:([a-z]+) err:(\w*)(?: text:|\Z)",
    re.IGNORECASE | re.DOTALL,
).match
"""A deliver_sm (4.6.1) without times or parameters, whose text has the form of appendix B: nearly all receipts, in half of the time
that reading field by field takes. Whatever differs is read so. What follows the third group has to be as long as that says."""

_FIELD = re.compile(r"(?i)\b(id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err|text)\s*:\s*")


def _receipt(message: Message, parameters: dict[int, bytes], sequence: int, octets: bytes) -> Receipt:
    fields = _fields(_receipt_text(message, parameters))
    number = _number(parameters.get(pdu.MESSAGE_STATE))
    word = (
        STATE_NAMES.get(number)
        or fields.get("stat", "")[:WORD_CHARACTERS_MAX].upper()
        or (f"message_state {number}" if number >= 0 else "")
    )
    named = parameters.get(pdu.RECEIPTED_MESSAGE_ID, b"").split(b"\0")[0].decode("latin-1").strip()
    error = fields.get("err", "")[:WORD_CHARACTERS_MAX] or _network_error(parameters.get(pdu.NETWORK_ERROR_CODE, b""))
    state = "" if message.esm_class & MESSAGE_TYPE == INTERMEDIATE else STATES.get(word[:5], "")
    reason = "" if state == DELIVERED else f"{word} err:{error}" if error else word
    return Receipt(
        normalise_reference(named or fields.get("id", "")),
        message.source,
        message.destination,
        state,
        reason,
        _number(parameters.get(pdu.USER_MESSAGE_REFERENCE)),
        octets,
        sequence,
    )


def _tells_a_state(message: Message, parameters: dict[int, bytes]) -> bool:
    """Whether a delivery that names a message and is of no kind is its receipt: Kannel's test SMSC puts an id into texts from phones."""
    return pdu.MESSAGE_STATE in parameters or "stat" in _fields(_receipt_text(message, parameters))


def _receipt_text(message: Message, parameters: dict[int, bytes]) -> str:
    octets = message.short_message or parameters.get(pdu.MESSAGE_PAYLOAD, b"")
    if message.esm_class & HAS_HEADER and octets:
        octets = octets[octets[0] + 1 :]
    # Carriers write ASCII here under any data_coding; an underscore of `submit_date` must not become GSM-7's section sign.
    text = decode_ucs2(octets) if message.data_coding == UCS2_CODING else octets.decode("latin-1")
    # PostgreSQL holds no zeros in texts; where a carrier writes one, a field or the whole ends.
    return text.replace("\0", " ")


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    pieces = _FIELD.split(text)[1:]
    for name, value in zip(map(str.lower, pieces[::2]), pieces[1::2], strict=True):
        # `text:` quotes the message, whose own words may look like fields: what comes first counts, and nothing after it does.
        fields.setdefault(name, value.partition(" ")[0].strip(" ,;\r\n\t"))
        if name == "text" and "stat" in fields:
            break
    return fields


def _network_error(octets: bytes) -> str:
    return str(int.from_bytes(octets[1:3], "big")) if len(octets) == 3 else ""


def _number(octets: bytes | None) -> int:
    return int.from_bytes(octets, "big") if octets and len(octets) <= 2 else -1


def inbound_text(message: Message, parameters: dict[int, bytes], sequence: int, alphabet: str = GSM7) -> InboundText:
    """A message read as a text: payload, user data header or SAR parameters, alphabet."""
    raw = message.short_message or parameters.get(pdu.MESSAGE_PAYLOAD, b"")
    part, parts, reference, body_at = 1, 1, 0, 0
    if message.esm_class & HAS_HEADER:
        part, parts, reference, body_at = _header(raw)
    elif pdu.SAR_TOTAL in parameters:
        part, parts, reference = (_number(parameters.get(tag)) for tag in (pdu.SAR_PART, pdu.SAR_TOTAL, pdu.SAR_REFERENCE))
    if not 1 <= part <= parts <= PARTS_MAX or reference < 0:
        part, parts, reference = 1, 1, 0
    text = decode_text(raw[body_at:], message.data_coding, alphabet)
    return InboundText(sequence, message.source, message.destination, text, message.data_coding, raw, part, parts, reference)


def decode_text(octets: bytes, data_coding: int, alphabet: str = GSM7) -> str:
    """Octets as text (SMPP 3.4, 5.2.19; the groups of 3GPP TS 23.038, section 4). Binary codings come out as Latin-1, octet for octet.

    No text holds a zero, which PostgreSQL refuses: those at the end are somebody's terminator and go, others become U+FFFD.
    """
    text = _decoded(octets, data_coding, alphabet)
    return text.rstrip("\0").replace("\0", REPLACEMENT) if "\0" in text else text


def _decoded(octets: bytes, data_coding: int, alphabet: str) -> str:
    if data_coding == GSM7_CODING and alphabet != GSM7:
        return octets.decode("latin-1")  # ASCII is a part of it
    if data_coding & 0xF0 in {0xC0, 0xD0} or data_coding == GSM7_CODING or data_coding & 0xF4 == 0xF0:
        return decode_gsm7(octets)
    if data_coding == UCS2_CODING or data_coding & 0xF0 == 0xE0:
        return decode_ucs2(octets)
    return octets.decode("latin-1")


def _header(octets: bytes) -> tuple[int, int, int, int]:
    """Part, parts, reference and where the text begins (3GPP TS 23.040, 9.2.3.24.1 and .8). A header that lies is skipped whole."""
    body_at = min(octets[0] + 1, len(octets)) if octets else 0
    at = 1
    while at + 2 <= body_at:
        element, length = octets[at], octets[at + 1]
        value = octets[at + 2 : at + 2 + length]
        if element == 0x00 and length == 3 and len(value) == 3:
            return value[2], value[1], value[0], body_at
        if element == 0x08 and length == 4 and len(value) == 4:
            return value[3], value[2], int.from_bytes(value[:2], "big"), body_at
        at += 2 + length
    return 1, 1, 0, body_at
