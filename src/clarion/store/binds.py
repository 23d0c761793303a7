"""Binds as leased rows: who holds a carrier's connection, under which fence (section 2 of the design)."""

from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.states import State
from clarion.store import owners, rows
from clarion.store.deliveries import record
from clarion.store.facts import Fact


class Lease(NamedTuple):
    """A bind that is ours until the lease ends or the fence is another."""

    bind_id: int
    fence: int
    in_doubt: int
    """Messages of the last owner that were marked and had no outcome: they are `unknown`."""


class Elsewhere(NamedTuple):
    """A bind that another living process holds: its state, the carrier's reason, and who it is, as far as the database knows."""

    carrier: str
    state: str
    reason: str
    owner: int
    host: str | None
    """The address from which it speaks to the database; None on the database's own machine."""


LEASE_MICROS = 15 * 1_000_000
"""A process that has not renewed for so long is taken for dead. The fence makes that safe even where it only slept."""

OWNER_GONE = "the process that sent it is gone"


def next_fence(connection: Connection) -> int:
    """A number that was never given out before; it grows. Owners take theirs from it too."""
    return int(rows.one(connection, "UPDATE sequences SET value = value + 1 WHERE name = 'fence' RETURNING value")[0])


def acquire(connection: Connection, carrier_id: int, slot: int, owner: int, now: int) -> Lease | None:
    """Take a bind that is free, or whose owner is gone or overdue; None if another holds it.

    Before it is taken, what its last owner marked and has no row is written as `unknown`.
    """
    rows.all(
        connection,
        "INSERT INTO binds (carrier_id, slot) VALUES (:carrier_id, :slot) ON CONFLICT (carrier_id, slot) DO NOTHING",
        carrier_id=carrier_id,
        slot=slot,
    )
    bind_id, held_by, until = rows.one(
        connection,
        f"SELECT id, owner, lease_until FROM binds WHERE carrier_id = :carrier_id AND slot = :slot{rows.for_update(connection)}",
        carrier_id=carrier_id,
        slot=slot,
    )
    engine_now = owners.engine_now(connection)
    if held_by is not None and held_by != owner and until > engine_now and not owners.gone_owners(connection, [held_by], owner):
        return None
    fence = next_fence(connection)
    rows.all(
        connection,
        "UPDATE binds SET owner = :owner, fence = :fence, lease_until = :lease_until, state = 'connecting', reason = '',"
        " since_at = :now WHERE id = :bind_id",
        owner=owner,
        fence=fence,
        lease_until=engine_now + LEASE_MICROS,
        now=now,
        bind_id=bind_id,
    )
    return Lease(bind_id, fence, _write_doubt(connection, bind_id, now))


def bury(connection: Connection, own: int, now: int) -> int:
    """Close the binds of owners that are gone, also where no carrier is left to take them; returns how many messages were in doubt.

    Their chunks go back to the road, so that a removed carrier's can be taken up by others.
    """
    engine_now = owners.engine_now(connection)
    held = rows.all(
        connection,
        "SELECT id, owner, lease_until FROM binds WHERE owner IS NOT NULL AND owner <> :own ORDER BY id"
        + rows.for_update(connection, skip_locked=True),
        own=own,
    )
    gone = set(owners.gone_owners(connection, sorted({owner for _, owner, _ in held}), own)) if held else set()
    in_doubt = 0
    for bind_id, owner, until in held:
        if owner in gone or until <= engine_now:
            rows.all(
                connection,
                "UPDATE binds SET owner = NULL, fence = :fence, lease_until = 0, state = 'closed', reason = '', since_at = :now"
                " WHERE id = :id",
                fence=next_fence(connection),
                now=now,
                id=bind_id,
            )
            in_doubt += _write_doubt(connection, bind_id, now)
    return in_doubt


def release(connection: Connection, bind_id: int, fence: int, now: int) -> None:
    """Give a bind back. Whoever calls has recorded what it knows; what is still without a row is `unknown`."""
    give_back(connection, bind_id, fence, now)
    rows.all(
        connection,
        "UPDATE binds SET owner = NULL, lease_until = 0, state = 'closed', reason = '', since_at = :now WHERE id = :id AND fence = :fence",
        now=now,
        id=bind_id,
        fence=fence,
    )


def give_back(connection: Connection, bind_id: int, fence: int, now: int) -> int:
    """Let other binds take this one's chunks, and go on holding it; returns how many messages were found in doubt.

    The caller has recorded every outcome that it knows of: what is marked and has no row then is `unknown`.
    """
    if not rows.one(
        connection, f"SELECT 1 FROM binds WHERE id = :id AND fence = :fence{rows.for_update(connection)}", id=bind_id, fence=fence
    ):
        return 0
    return _write_doubt(connection, bind_id, now)


def elsewhere(connection: Connection, own: int) -> list[Elsewhere]:
    """The binds of active carriers that other processes hold. On SQLite there are none: one process has the data folder."""
    if connection.dialect.name == "sqlite":
        return []
    found = rows.all(
        connection,
        "SELECT c.name, b.state, b.reason, b.owner,"
        " (SELECT host(a.client_addr) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted"
        " AND (CAST(l.classid AS bigint) << 32) + CAST(l.objid AS bigint) = :locks + b.owner LIMIT 1)"
        " FROM binds b JOIN carriers c ON c.id = b.carrier_id"
        " WHERE b.owner <> :own AND b.lease_until > :engine_now AND c.state = 'active' ORDER BY c.name, b.slot",
        locks=owners.LOCKS,
        own=own,
        engine_now=owners.engine_now(connection),
    )
    return [Elsewhere(*row) for row in found]


def renew(connection: Connection, owner: int) -> None:
    """Keep all binds of this owner for longer."""
    rows.all(
        connection,
        "UPDATE binds SET lease_until = :lease_until WHERE owner = :owner",
        lease_until=owners.engine_now(connection) + LEASE_MICROS,
        owner=owner,
    )


def note_state(connection: Connection, bind_id: int, fence: int, state: str, reason: str, now: int) -> None:
    """Keep what the connection is doing, for whoever asks: connecting, bound, refused, closed."""
    rows.all(
        connection,
        "UPDATE binds SET state = :state, reason = :reason, since_at = :now WHERE id = :id AND fence = :fence",
        state=state,
        reason=reason,
        now=now,
        id=bind_id,
        fence=fence,
    )


_DOUBT = (
    "SELECT m.id, c.id, m.broadcast_id, m.organization_id, m.price_milli, 1, c.carrier_id FROM chunks c"
    " JOIN messages m ON m.id BETWEEN c.id AND c.marked_id LEFT JOIN deliveries d ON d.message_id = m.id"
    " WHERE c.state = 'claimed' AND c.bind_id = :bind_id AND d.message_id IS NULL"
)
_DOUBT_RETRIES = (
    "SELECT d.message_id, d.chunk_id, m.broadcast_id, m.organization_id, m.price_milli, d.attempt, d.carrier_id FROM deliveries d"
    " JOIN messages m ON m.id = d.message_id JOIN binds b ON b.carrier_id = d.carrier_id"
    " WHERE d.state = 'marked' AND d.doubt_at IS NOT NULL AND b.id = :bind_id AND NOT EXISTS"
    " (SELECT 1 FROM binds o WHERE o.fence = d.fence AND o.carrier_id = d.carrier_id AND o.owner IS NOT NULL AND o.id <> :bind_id)"
)
_FREE = (
    "UPDATE chunks SET state = CASE WHEN marked_id < coalesce(open_id, last_id) THEN 'ready' WHEN marked_id < last_id THEN 'waiting'"
    " ELSE 'claimed' END, bind_id = NULL, fence = NULL"
    " WHERE state = 'claimed' AND bind_id = :bind_id"
)


def _write_doubt(connection: Connection, bind_id: int, now: int) -> int:
    """Write `unknown` for everything that this bind marked and that has no outcome, then give its chunks back to the road.

    First the chunks' rows are locked, so that a mark under the old fence is either seen here or refused.
    """
    rows.all(
        connection,
        f"SELECT id FROM chunks WHERE state = 'claimed' AND bind_id = :bind_id ORDER BY id{rows.for_update(connection)}",
        bind_id=bind_id,
    )
    facts = [
        Fact(message_id, chunk_id, broadcast_id, organization_id, price_milli, attempt, State.UNKNOWN, carrier_id, None, OWNER_GONE)
        for text in (_DOUBT, _DOUBT_RETRIES)
        for message_id, chunk_id, broadcast_id, organization_id, price_milli, attempt, carrier_id in rows.all(
            connection, text, bind_id=bind_id
        )
    ]
    rows.all(connection, _FREE, bind_id=bind_id)
    record(connection, facts, now)
    return len(facts)
