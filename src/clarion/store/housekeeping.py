"""What sweep does to rows: each function takes a slice, returns how much it did, and may be run at any time and twice."""

from sqlalchemy import Connection

from clarion.core.carrier_url import only_receives
from clarion.core.states import State
from clarion.store import rows
from clarion.store.catalog import Catalog
from clarion.store.chunks import pass_over
from clarion.store.deliveries import Fact, advance, record, settle

SLICE = 500


def close_unknowns(connection: Connection, now: int) -> int:
    """End as undetermined what no answer and no receipt has resolved within its carrier's time; its money goes back."""
    found = rows.all(
        connection,
        "SELECT d.message_id, d.chunk_id, m.broadcast_id, m.organization_id, m.price_milli, d.attempt, d.carrier_id FROM deliveries d"
        " JOIN messages m ON m.id = d.message_id JOIN carriers c ON c.id = d.carrier_id"
        " WHERE d.state = 'unknown' AND d.doubt_at <= :now - c.unknown_after_s * 1000000"
        f" ORDER BY d.doubt_at LIMIT :limit{_lock(connection)}",
        now=now,
        limit=SLICE,
    )
    facts = [
        Fact(
            message_id,
            chunk_id,
            broadcast_id,
            organization_id,
            price_milli,
            attempt,
            State.UNDETERMINED,
            carrier_id,
            None,
            "no answer and no receipt",
        )
        for message_id, chunk_id, broadcast_id, organization_id, price_milli, attempt, carrier_id in found
    ]
    if facts:
        settle(connection, advance(connection, facts, now), now)
    return len(facts)


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


def reroute(connection: Connection, catalog: Catalog, now: int) -> int:
    """Take up what waits for carriers that are gone, or only receive now: a retry on the next route, or refused where there is none.

    What the built-in simulator had is never put on a real carrier: whoever sent it was trying Clarion out.
    """
    gone = [
        (carrier_id, kind)
        for carrier_id, kind in rows.all(connection, "SELECT id, kind FROM carriers WHERE state = 'removed' ORDER BY id")
        if carrier_id not in catalog.carriers
    ]
    gone += [(carrier.id, carrier.kind) for carrier in catalog.carriers.values() if only_receives(carrier.url)]
    done = 0
    for carrier_id, kind in gone:
        taken = _take_chunk(connection, carrier_id) + _take_retries(connection, carrier_id)
        facts = []
        for message_id, chunk_id, broadcast_id, organization_id, price_milli, attempt, recipient in taken:
            target = None if kind == "simulator" else catalog.carrier_of(recipient)
            if target is not None and catalog.simulated(target):
                target = None
            state = State.REFUSED if target is None else State.RETRY
            reason = (
                "no_route"
                if target is None
                else "the carrier only receives"
                if carrier_id in catalog.carriers
                else "the carrier was removed"
            )
            attempt += 1 if state is State.RETRY else 0  # noqa: PLW2901
            facts.append(Fact(message_id, chunk_id, broadcast_id, organization_id, price_milli, attempt, state, target, None, reason, now))
        if facts:
            record(connection, facts, now)
        done += len(facts)
    return done


def _take_chunk(connection: Connection, carrier_id: int) -> list[tuple[int, ...]]:
    """Of a paced broadcast no more than its pace has opened: what becomes a retry goes out as it comes."""
    found = rows.all(
        connection,
        "UPDATE chunks SET marked_id = coalesce(open_id, last_id), bind_id = NULL, fence = NULL,"
        " state = CASE WHEN open_id < last_id THEN 'waiting' ELSE 'claimed' END WHERE id ="
        " (SELECT id FROM chunks WHERE carrier_id = :carrier_id AND state IN ('waiting', 'ready')"
        " AND marked_id < coalesce(open_id, last_id) ORDER BY id LIMIT 1)"
        " AND state IN ('waiting', 'ready') RETURNING id, marked_id",
        carrier_id=carrier_id,
    )
    if not found:
        return []
    chunk_id, marked_id = found[0]
    return rows.all(
        connection,
        "SELECT m.id, :chunk_id, m.broadcast_id, m.organization_id, m.price_milli, 1, m.recipient FROM messages m"
        " LEFT JOIN deliveries d ON d.message_id = m.id WHERE m.id BETWEEN :chunk_id AND :marked_id AND d.message_id IS NULL ORDER BY m.id",
        chunk_id=chunk_id,
        marked_id=marked_id,
    )


def _take_retries(connection: Connection, carrier_id: int) -> list[tuple[int, ...]]:
    return rows.all(
        connection,
        "SELECT d.message_id, d.chunk_id, m.broadcast_id, m.organization_id, m.price_milli, d.attempt, m.recipient FROM deliveries d"
        " JOIN messages m ON m.id = d.message_id WHERE d.state = 'retry' AND d.due_at IS NOT NULL AND d.carrier_id = :carrier_id"
        f" ORDER BY d.due_at LIMIT :limit{_lock(connection)}",
        carrier_id=carrier_id,
        limit=SLICE,
    )


def _lock(connection: Connection) -> str:
    """A row that is on its way to another state is passed over: what a sweep has read must still be so when it writes."""
    return rows.for_update(connection, "d", skip_locked=True)
