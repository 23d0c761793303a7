"""What a bind learned of the messages that it sent, as one transaction."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.states import RANK, State
from clarion.core.submission import Receipt
from clarion.store import failover, ordinary, orphans, parts, rows
from clarion.store.catalog import Catalog
from clarion.store.deliveries import advance, count_moves, record, record_attempts, settle, settle_counted
from clarion.store.facts import AttemptFact, Fact, PartFact, fact_of
from clarion.store.marks import Marked
from clarion.store.receipts import Recorded, record_receipts


class LateAnswer(NamedTuple):
    """An answer to a message that was already recorded as unknown. `state` is sent or refused."""

    message_id: int
    attempt: int
    state: str
    reference: str | None
    reason: str | None


class Batch(NamedTuple):
    """Outcomes of one carrier's messages, with what belongs to them.

    `sent` are first attempts that it took, each with its reference. `elsewhere` are messages that were refused whole, which another
    carrier may take; `continued` are retries of which this carrier has taken parts, which go on with the others.
    """

    carrier_id: int
    facts: Sequence[Fact]
    parts: Sequence[PartFact]
    attempts: Sequence[AttemptFact]
    late: Sequence[LateAnswer]
    sent: Sequence[tuple[Marked, str | None]] = ()
    elsewhere: Collection[int] = ()
    continued: Sequence[int] = ()


class Arrived(NamedTuple):
    """What became of what one connection brought: its receipts, and the carriers that got something to try again."""

    receipts: Recorded
    carriers: set[int]


def record_arrivals(
    connection: Connection,
    carrier_id: int,
    form: str | None,
    batch: Batch | None,
    receipts: Sequence[Receipt],
    now: int,
    catalog: Catalog | None = None,
) -> Arrived:
    """Record what one connection brought, in one transaction: answers first, so that a receipt behind its answer finds its message."""
    carriers = record_outcomes(connection, batch, form, now, catalog) if batch is not None else set()
    return Arrived(record_receipts(connection, carrier_id, form, receipts, now, catalog), carriers)


def record_outcomes(connection: Connection, batch: Batch, form: str | None, now: int, catalog: Catalog | None = None) -> set[int]:
    """Record outcomes and settle them; then try the orphaned receipts that were waiting for these references.

    What was refused takes the next route of the catalog, if one is given. Returns the carriers that got something to try again.
    """
    carriers: set[int] = set()
    if batch.sent:
        _record_sent(connection, batch.carrier_id, batch.sent, now)
    if batch.elsewhere:
        carriers |= _record_refused(connection, batch, catalog, now)
    elif batch.facts or batch.parts or batch.attempts:
        record(connection, batch.facts, now, batch.parts, batch.attempts)
    if batch.continued:
        parts.carry_over(connection, batch.continued)
    if batch.late:
        carriers |= _advance_late(connection, _late_facts(connection, batch, now), catalog, now)
    ended = {fact.message_id for fact in batch.facts} if batch.parts else set()
    late_parts = {(part.message_id, part.attempt) for part in batch.parts if part.message_id not in ended}
    if late_parts:
        settle(connection, advance(connection, _facts_of_parts(connection, batch.carrier_id, sorted(late_parts)), now), now)
    orphans.retry_with_references(connection, batch.carrier_id, form, _references(batch), now, catalog)
    return carriers


_SENT = {"message_id": "bigint", "chunk_id": "bigint", "carrier_reference": "text", "charged_milli": "bigint"}
_INSERT_SENT = (
    "INSERT INTO deliveries (message_id, chunk_id, state, rank, attempt, carrier_id, carrier_reference, charged_milli, sent_at, updated_at)"
    f" SELECT message_id, chunk_id, 'sent', {RANK[State.SENT]}, 1, :carrier_id, carrier_reference, charged_milli, :now, :now"
    " FROM v WHERE true"
)


def _record_sent(connection: Connection, carrier_id: int, sent: Sequence[tuple[Marked, str | None]], now: int) -> None:
    """The ordinary case, narrow: rows as short as they can be, and moves that are counted by chunk and price alone."""
    if connection.dialect.name == "postgresql":
        left = ordinary.take(connection, carrier_id, sent, now)
    else:
        left = _insert_sent(connection, carrier_id, sent, now)
    if left:
        # They have a row already, so that this is a late fact.
        late = [fact_of(message, State.SENT, carrier_id, reference) for message, reference in left]
        settle(connection, advance(connection, late, now), now)


def _insert_sent(
    connection: Connection, carrier_id: int, sent: Sequence[tuple[Marked, str | None]], now: int
) -> list[tuple[Marked, str | None]]:
    data = [(message.message_id, message.chunk_id, reference, message.price_milli) for message, reference in sent]
    inserted = rows.inserted(connection, _INSERT_SENT, "message_id", (_SENT, data), carrier_id=carrier_id, now=now)
    left = [] if inserted is None else [each for each in sent if each[0].message_id not in inserted]
    taken = [message for message, _ in sent if inserted is None or message.message_id in inserted]
    settle_counted(connection, count_moves(taken, State.WAITING, State.SENT), now)
    return left


def _references(batch: Batch) -> Iterator[str]:
    every: tuple[Fact | PartFact | LateAnswer, ...] = (*batch.facts, *batch.parts, *batch.late)
    for reference in chain((fact.reference for fact in every), (reference for _, reference in batch.sent)):
        if reference is not None:
            yield reference


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
    answers: dict[int, dict[int, LateAnswer]] = defaultdict(dict)
    for answer in batch.late:
        answers[answer.message_id][answer.attempt] = answer
    found = rows.execute(
        connection,
        "SELECT d.message_id, d.chunk_id, m.broadcast_id, m.organization_id, m.price_milli, d.state, d.attempt, a.outcome FROM v"
        " JOIN deliveries d ON d.message_id = v.message_id JOIN messages m ON m.id = d.message_id"
        " LEFT JOIN attempts a ON a.message_id = d.message_id AND a.attempt = d.attempt - 1" + rows.for_update(connection, "d"),
        v=({"message_id": "bigint"}, [(message_id,) for message_id in answers]),
    )
    facts: list[Fact] = []
    taken: list[AttemptFact] = []
    for message_id, chunk_id, broadcast_id, organization_id, price_milli, state, attempt, earlier in found:
        for _, answered, said, reference, reason in answers[message_id].values():
            about = answered
            if said == State.SENT and (state, earlier, answered) == (State.RETRY, State.UNKNOWN, attempt - 1):
                # The reference goes with the message: in two places a receipt would find two.
                taken.append(AttemptFact(message_id, answered, batch.carrier_id, None, said, reason))
                about = attempt
            facts.append(
                Fact(message_id, chunk_id, broadcast_id, organization_id, price_milli, about, said, batch.carrier_id, reference, reason)
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
