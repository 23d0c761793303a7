"""What a bind learned of the messages that it sent, as one transaction."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.store import orphans, rows
from clarion.store.deliveries import AttemptFact, Fact, PartFact, advance, record, settle


class LateAnswer(NamedTuple):
    """An answer to a message that was already recorded as unknown. `state` is sent or refused."""

    message_id: int
    attempt: int
    state: str
    reference: str | None
    reason: str | None


class Batch(NamedTuple):
    """Outcomes of one carrier's messages, with what belongs to them."""

    carrier_id: int
    facts: Sequence[Fact]
    parts: Sequence[PartFact]
    attempts: Sequence[AttemptFact]
    late: Sequence[LateAnswer]


def record_outcomes(connection: Connection, batch: Batch, form: str | None, now: int) -> None:
    """Record outcomes and settle them; then try the orphaned receipts that were waiting for these references."""
    record(connection, batch.facts, now, batch.parts, batch.attempts)
    if batch.late:
        settle(connection, advance(connection, _late_facts(connection, batch), now), now)
    every: tuple[Fact | PartFact | LateAnswer, ...] = (*batch.facts, *batch.parts, *batch.late)
    references = {fact.reference for fact in every if fact.reference is not None}
    orphans.retry_with_references(connection, batch.carrier_id, form, sorted(references), now)


def _late_facts(connection: Connection, batch: Batch) -> list[Fact]:
    by_id = {answer.message_id: answer for answer in batch.late}
    found = rows.execute(
        connection,
        "SELECT d.message_id, d.chunk_id, m.broadcast_id, m.organization_id, m.price_milli FROM v"
        " JOIN deliveries d ON d.message_id = v.message_id JOIN messages m ON m.id = d.message_id",
        v=({"message_id": "bigint"}, [(message_id,) for message_id in by_id]),
    )
    return [
        Fact(
            message_id,
            chunk_id,
            broadcast_id,
            organization_id,
            price_milli,
            by_id[message_id].attempt,
            by_id[message_id].state,
            batch.carrier_id,
            by_id[message_id].reference,
            by_id[message_id].reason,
        )
        for message_id, chunk_id, broadcast_id, organization_id, price_milli in found
    ]
