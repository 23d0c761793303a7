"""What is known of messages, of their parts and of their attempts: what stages hand over, and `deliveries` records."""

from typing import NamedTuple, Protocol

from clarion.core.states import State


class Fact(NamedTuple):
    """What is known of a message after an attempt or a receipt.

    `attempt` is the attempt that the fact is about, or for `retry` the one to come, on `carrier_id`, at `due_at`.
    """

    message_id: int
    chunk_id: int
    broadcast_id: int
    organization_id: int
    price_milli: int
    attempt: int
    state: str
    carrier_id: int | None
    reference: str | None
    reason: str | None
    due_at: int | None = None


class PartFact(NamedTuple):
    """What is known of one part of a long message."""

    message_id: int
    attempt: int
    part: int
    carrier_id: int
    reference: str | None
    state: str
    reason: str | None
    shape: str | None = None


class AttemptFact(NamedTuple):
    """How an attempt ended that is not the last one."""

    message_id: int
    attempt: int
    carrier_id: int | None
    reference: str | None
    outcome: str
    reason: str | None


class OfChunk(Protocol):
    """A message as far as counters and money have to know it."""

    @property
    def chunk_id(self) -> int: ...
    @property
    def broadcast_id(self) -> int: ...
    @property
    def organization_id(self) -> int: ...
    @property
    def price_milli(self) -> int: ...


class Attempted(OfChunk, Protocol):
    """A message in an attempt, as far as a fact has to know it."""

    @property
    def message_id(self) -> int: ...
    @property
    def attempt(self) -> int: ...


def fact_of(
    message: Attempted,
    state: str,
    carrier_id: int | None,
    reference: str | None = None,
    reason: str | None = None,
    due_at: int | None = None,
) -> Fact:
    """The fact that a message's attempt came to `state`. A retry carries the number of the attempt to come."""
    return Fact(
        message.message_id,
        message.chunk_id,
        message.broadcast_id,
        message.organization_id,
        message.price_milli,
        message.attempt + 1 if state == State.RETRY else message.attempt,
        state,
        carrier_id,
        reference,
        reason,
        due_at,
    )
