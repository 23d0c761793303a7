"""What goes over the wire, and what a carrier says of it afterwards: made for every message, so plain and quick to make."""

from msgspec import Struct


class Submission(Struct, frozen=True, gc=False, array_like=True):
    """One part of one message, ready for the wire.

    `part` counts from 1 in a message of `parts`; `part_reference` ties them together, in 16 bits. `text` is this part's share,
    `encoding` is of `core.text`, or one that `Bind.parts` named. `sender` is empty where the carrier chooses.
    `expires_at` in microseconds, or None for the carrier's own validity.
    """

    message_id: int
    attempt: int
    sender: str
    recipient: int
    text: str
    encoding: str
    part: int
    parts: int
    part_reference: int
    expires_at: int | None


class Receipt(Struct, frozen=True, gc=False):
    """What a carrier says of a message that it took. `state` is `delivered`, `undelivered`, or empty for what is no end.

    `reason` are the carrier's words, empty of what was delivered.
    `recipient` and `sender` are those of the message, as the carrier writes them (a receipt's source and destination).
    `user_message_reference` is -1 where the carrier echoes none. `sequence` is what `Bind.acknowledge` wants back.
    """

    reference: str
    recipient: str
    sender: str
    state: str
    reason: str
    user_message_reference: int
    raw: bytes
    sequence: int = 0
