"""What no carrier should send and some do: octets that are no PDU, PDUs that lie, answers and receipts to nothing."""

from collections.abc import Callable
from typing import Final, NamedTuple

from clarion.carriers.smpp import pdu, status

NOISE_OCTETS: Final = 64
LIE_OCTETS: Final = 12
"""What a lying length says beyond the truth: the head of the next PDU is swallowed, and where PDUs begin is lost."""

SWALLOWED_OCTETS: Final = 60_000
"""A length that could be, and so long that everything which follows for a while is taken for its body."""

NOWHERE: Final = pdu.SEQUENCE_MAX - 7
"""A sequence number that nobody has come to."""

BEYOND: Final = 0xFFFFFFFF
"""More than any sequence number may be (3.2)."""

UNKNOWN_COMMAND: Final = 0x00000777
STRAY_ID: Final = b"never-given"


class Occasion(NamedTuple):
    """Where the garbage is put: behind the answer to the submit of `sequence`. `noise` are octets by chance."""

    sequence: int
    noise: bytes


def _receipt(message_id: bytes) -> bytes:
    """The body of a receipt for a message and a recipient that nobody knows."""
    text = b"id:%b sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000 text:" % message_id
    return pdu.encode_message(pdu.Message("99900000000", "NOBODY", text, esm_class=4))


def _cut_text(_: Occasion) -> bytes:
    body = _receipt(STRAY_ID)
    at = body.index(b"id:") - 1
    return pdu.frame(pdu.DELIVER_SM, 0, NOWHERE, body[:at] + b"\xfe" + body[at + 1 :])


def _lying_length(_: Occasion) -> bytes:
    octets = pdu.frame(pdu.DELIVER_SM, 0, NOWHERE, _receipt(STRAY_ID))
    return (len(octets) + LIE_OCTETS).to_bytes(4, "big") + octets[4:]


KINDS: Final[dict[str, Callable[[Occasion], bytes]]] = {
    # No length: the connection cannot go on.
    "noise": lambda here: b"\xff" + here.noise,
    "short_length": lambda here: (4).to_bytes(4, "big") + pdu.frame(pdu.ENQUIRE_LINK, 0, here.sequence)[4:],
    "long_length": lambda here: pdu.SEQUENCE_MAX.to_bytes(4, "big") + pdu.frame(pdu.ENQUIRE_LINK, 0, here.sequence)[4:],
    # A length that could be: what follows is read from the wrong place.
    "lying_length": _lying_length,
    "swallowing_length": lambda here: SWALLOWED_OCTETS.to_bytes(4, "big") + pdu.frame(pdu.ENQUIRE_LINK, 0, here.sequence)[4:],
    # PDUs that are whole, and make no sense.
    "cut_text": _cut_text,
    "unknown_command": lambda _: pdu.frame(UNKNOWN_COMMAND, 0, NOWHERE, b"what is this"),
    "stray_answer": lambda _: pdu.frame(pdu.SUBMIT_SM_RESP, 0, NOWHERE, STRAY_ID + b"\0"),
    "second_answer": lambda here: pdu.frame(pdu.SUBMIT_SM_RESP, 0, here.sequence, STRAY_ID + b"\0"),
    "stray_nack": lambda _: pdu.frame(pdu.GENERIC_NACK, status.INVALID_COMMAND, 0),
    "stray_receipt": lambda _: pdu.frame(pdu.DELIVER_SM, 0, BEYOND, _receipt(STRAY_ID)),
}
"""By name. The first five end in a broken connection; after the others it goes on as if nothing had been."""


def octets(kind: str, here: Occasion) -> bytes:
    """The garbage of this kind."""
    return KINDS[kind](here)
