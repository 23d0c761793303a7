"""What a bind learned of the messages that it sent, as one transaction."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.states import State
from clarion.store import failover, orphans, parts, rows
from clarion.store.catalog import Catalog
from clarion.store.deliveries import AttemptFact, Fact, PartFact, advance, record, record_attempts, settle


class LateAnswer(NamedTuple):
    """An answer to a message that was already recorded as unknown. `state` is sent or refused."""

    message_id: int
    attempt: int
    state: str
    reference: str | None
    reason: str | None


class Batch(NamedTuple):
    """Outcomes of one carrier's messages, with what belongs to them.

    `elsewhere` are messages that were refused whole, which another carrier may take; `continued` are retries of which this carrier has
    taken parts, which go on with the others.
    """

    carrier_id: int
    facts: Sequence[Fact]
    parts: Sequence[PartFact]
    attempts: Sequence[AttemptFact]
    late: Sequence[LateAnswer]
    elsewhere: Collection[int] = ()
    continued: Sequence[int] = ()


def record_outcomes(connection: Connection, batch: Batch, form: str | None, now: int, catalog: Catalog | None = None) -> set[int]:
    """Record outcomes and settle them; then try the orphaned receipts that were waiting for these references.

    What was refused takes the next route of the catalog, if one is given. Returns the carriers that got something to try again.
    """
    carriers: set[int] = set()
    if batch.elsewhere:
        carriers |= _record_refused(connection, batch, catalog, now)
    else:
        record(connection, batch.facts, now, batch.parts, batch.attempts)
    if batch.continued:
        parts.carry_over(connection, batch.continued)
    if batch.late:
        carriers |= _advance_late(connection, _late_facts(connection, batch, now), catalog, now)
    ended = {fact.message_id for fact in batch.facts} if batch.parts else set()
    late_parts = {(part.message_id, part.attempt) for part in batch.parts if part.message_id not in ended}
    if late_parts:
        settle(connection, advance(connection, _facts_of_parts(connection, batch.carrier_id, sorted(late_parts)), now), now)
    every: tuple[Fact | PartFact | LateAnswer, ...] = (*batch.facts, *batch.parts, *batch.late)
    references = {fact.reference for fact in every if fact.reference is not None}
    orphans.retry_with_references(connection, batch.carrier_id, form, sorted(references), now, catalog)
    return carriers


def _record_refused(connection: Connection, batch: Batch, catalog: Catalog | None, now: int) -> set[int]:
    """As `record`, with the refused ones that take another route."""
    refused = [fact for fact in batch.facts if fact.message_id in batch.elsewhere and fact.state == State.REFUSED]
    if catalog is None:
        record(connection, batch.facts, now, batch.parts, batch.attempts)
        return set()
    failing = failover.after_refusal(connection, catalog, refused, now)
    others = [fact for fact in batch.facts if fact.message_id not in batch.elsewhere or fact.state != State.REFUSED]
    record(connection, [*others, *failing.facts], now, batch.parts, [*batch.attempts, *failing.attempts])
    return failing.carriers


def _advance_late(connection: Connection, facts: Sequence[Fact], catalog: Catalog | None, now: int) -> set[int]:
    """A refusal that came late is as certain as any other."""
    refused = [fact for fact in facts if fact.state == State.REFUSED]
    failing = failover.Failing([*refused], [], set())
    if catalog is not None and refused:
        failing = failover.after_refusal(connection, catalog, refused, now)
        record_attempts(connection, failing.attempts, now)
    others = [fact for fact in facts if fact.state != State.REFUSED]
    settle(connection, advance(connection, [*others, *failing.facts], now), now)
    return failing.carriers


def _late_facts(connection: Connection, batch: Batch, now: int) -> list[Fact]:
    """What late answers say. A yes to what is to be sent again, and was not yet, is in time: it is sent."""
    by_id = {answer.message_id: answer for answer in batch.late}
    found = rows.execute(
        connection,
        "SELECT d.message_id, d.chunk_id, m.broadcast_id, m.organization_id, m.price_milli, d.state, d.attempt, a.outcome FROM v"
        " JOIN deliveries d ON d.message_id = v.message_id JOIN messages m ON m.id = d.message_id"
        " LEFT JOIN attempts a ON a.message_id = d.message_id AND a.attempt = d.attempt - 1" + rows.for_update(connection, "d"),
        v=({"message_id": "bigint"}, [(message_id,) for message_id in by_id]),
    )
    facts: list[Fact] = []
    taken: list[AttemptFact] = []
    for message_id, chunk_id, broadcast_id, organization_id, price_milli, state, attempt, earlier in found:
        _, answered, said, reference, reason = by_id[message_id]
        if said == State.SENT and (state, earlier, answered) == (State.RETRY, State.UNKNOWN, attempt - 1):
            # The reference goes with the message: in two places a receipt would find two.
            taken.append(AttemptFact(message_id, answered, batch.carrier_id, None, said, reason))
            answered = attempt
        facts.append(
            Fact(message_id, chunk_id, broadcast_id, organization_id, price_milli, answered, said, batch.carrier_id, reference, reason)
        )
    record_attempts(connection, taken, now)
    return facts


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
