"""What sweep does to rows: each function takes a slice, returns how much it did, and may be run at any time and twice."""

from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.states import State
from clarion.store import failover, parts, rows
from clarion.store.catalog import Catalog
from clarion.store.chunks import pass_over
from clarion.store.deliveries import advance, record_attempts, settle
from clarion.store.facts import AttemptFact, Fact

SLICE = 500

NEVER_HEARD = "no answer and no receipt"


def close_unknowns(connection: Connection, now: int) -> int:
    """End as undetermined what no answer and no receipt has resolved within its carrier's time; its money goes back."""
    facts = _overdue(connection, "close", now)
    if facts:
        settle(connection, advance(connection, facts, now), now)
    return len(facts)


class Overdue(NamedTuple):
    """What became of messages that were unknown for too long."""

    resent: int
    closed: int


def resend_unknowns(connection: Connection, catalog: Catalog, now: int) -> Overdue:
    """Send again what is unknown for too long, where its carrier is set so; what may not be sent again is closed."""
    facts = _overdue(connection, "resend", now)
    if not facts:
        return Overdue(0, 0)
    targets = failover.resend_targets(connection, catalog, facts, now)
    again = [fact for fact in facts if fact.message_id in targets]
    reason = f"{NEVER_HEARD}, so it is sent again"
    record_attempts(
        connection,
        [AttemptFact(fact.message_id, fact.attempt, fact.carrier_id, fact.reference, State.UNKNOWN, reason) for fact in again],
        now,
    )
    ends = [fact for fact in facts if fact.message_id not in targets]
    ends += [failover.retry(fact._replace(reason=reason), targets[fact.message_id], now) for fact in again]
    settle(connection, advance(connection, ends, now), now)
    parts.carry_over(connection, list(targets))
    return Overdue(len(again), len(facts) - len(again))


def _overdue(connection: Connection, policy: str, now: int) -> list[Fact]:
    """Of carriers with this policy, what is unknown for longer than their time, as it would be closed."""
    found = rows.all(
        connection,
        "SELECT d.message_id, d.chunk_id, m.broadcast_id, m.organization_id, m.price_milli, d.attempt, d.carrier_id, d.carrier_reference"
        " FROM deliveries d JOIN messages m ON m.id = d.message_id JOIN carriers c ON c.id = d.carrier_id"
        " WHERE d.state = 'unknown' AND d.doubt_at <= :now - c.unknown_after_s * 1000000"
        f" AND c.unknown_policy = :policy ORDER BY d.doubt_at LIMIT :limit{_lock(connection)}",
        now=now,
        policy=policy,
        limit=SLICE,
    )
    return [
        Fact(
            message_id,
            chunk_id,
            broadcast_id,
            organization_id,
            price_milli,
            attempt,
            State.UNDETERMINED,
            carrier_id,
            reference,
            NEVER_HEARD,
        )
        for message_id, chunk_id, broadcast_id, organization_id, price_milli, attempt, carrier_id, reference in found
    ]


def expire(connection: Connection, now: int) -> int:
    """Expire what waits in broadcasts whose validity is over, where no bind comes to pass over it."""
    done = 0
    for (chunk_id,) in rows.all(
        connection,
        "SELECT c.id FROM broadcasts b JOIN chunks c ON c.broadcast_id = b.id WHERE b.state IN ('accepted', 'paused')"
        " AND b.expires_at <= :now AND c.state IN ('waiting', 'ready') ORDER BY c.id LIMIT 1",
        now=now,
    ):
        done += pass_over(connection, chunk_id, State.EXPIRED, "validity_over", SLICE, now)
    retries = rows.all(
        connection,
        "SELECT d.message_id, d.chunk_id, m.broadcast_id, m.organization_id, m.price_milli, d.attempt FROM deliveries d"
        " JOIN messages m ON m.id = d.message_id JOIN broadcasts b ON b.id = m.broadcast_id"
        f" WHERE d.state = 'retry' AND d.due_at IS NOT NULL AND b.expires_at <= :now LIMIT :limit{_lock(connection)}",
        now=now,
        limit=SLICE,
    )
    facts = [
        Fact(message_id, chunk_id, broadcast_id, organization_id, price_milli, attempt, State.EXPIRED, None, None, "validity_over")
        for message_id, chunk_id, broadcast_id, organization_id, price_milli, attempt in retries
    ]
    if facts:
        settle(connection, advance(connection, facts, now), now)
    return done + len(facts)


def _lock(connection: Connection) -> str:
    """A row that is on its way to another state is passed over: what a sweep has read must still be so when it writes."""
    return rows.for_update(connection, "d", skip_locked=True)
