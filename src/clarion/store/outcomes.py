"""What a bind learned of the messages that it sent, as one transaction."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.states import State
from clarion.store import ordinary, orphans, rows
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
    on_postgres = connection.dialect.name == "postgresql"
    facts = ordinary.take(connection, batch.carrier_id, batch.facts, now) if on_postgres else batch.facts
    record(connection, facts, now, batch.parts, batch.attempts)
    if batch.late:
        settle(connection, advance(connection, _late_facts(connection, batch), now), now)
    ended = {fact.message_id for fact in batch.facts} if batch.parts else set()
    late_parts = {(part.message_id, part.attempt) for part in batch.parts if part.message_id not in ended}
    if late_parts:
        settle(connection, advance(connection, _facts_of_parts(connection, batch.carrier_id, sorted(late_parts)), now), now)
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


def _facts_of_parts(connection: Connection, carrier_id: int, keys: Sequence[tuple[int, int]]) -> list[Fact]:
    """What late answers to parts make of their messages: refused by any, sent by all."""
    found = rows.execute(
        connection,
        "SELECT p.message_id, p.attempt, d.chunk_id, m.broadcast_id, m.organization_id, m.price_milli, m.segments, p.state, p.reason FROM v"
        " JOIN deliveries d ON d.message_id = v.message_id JOIN messages m ON m.id = d.message_id"
        " JOIN parts p ON p.message_id = v.message_id AND p.attempt = v.attempt",
        v=({"message_id": "bigint", "attempt": "smallint"}, keys),
    )
    parts: dict[tuple[int, ...], list[tuple[str, str | None]]] = defaultdict(list)
    for *message, state, reason in found:
        parts[tuple(message)].append((state, reason))
    facts: list[Fact] = []
    for (message_id, attempt, chunk_id, broadcast_id, organization_id, price_milli, segments), states in parts.items():
        refused = next(((state, reason) for state, reason in states if state == State.REFUSED), None)
        if refused is None and (len(states) < segments or any(state == State.UNKNOWN for state, _ in states)):
            continue
        state, reason = refused or (State.SENT, None)
        facts.append(Fact(message_id, chunk_id, broadcast_id, organization_id, price_milli, attempt, state, carrier_id, None, reason))
    return facts
