"""Chunks before they are marked: the planner opens them, and those whose messages must not go out are passed over."""

from sqlalchemy import Connection

from clarion.store import rows
from clarion.store.deliveries import record
from clarion.store.facts import Fact
from clarion.store.interface import interactive

READY_CHUNKS_MAX = 8
"""Ready chunks of one organization, carrier and lane: bounds the claim query, and makes pause, cancel and pace bite at once."""


@interactive
def open_due(connection: Connection, now: int) -> set[int]:
    """Make waiting chunks ready, up to `READY_CHUNKS_MAX` for each organization, carrier and lane. Returns the carriers to ring.

    Those of paced broadcasts are opened by `paces`, and take nobody's place.
    """
    carriers: set[int] = set()
    for organization_id, carrier_id, lane in _waiting_groups(connection):
        group = {"organization_id": organization_id, "carrier_id": carrier_id, "lane": lane}
        ready = rows.all(
            connection,
            "SELECT count(*) FROM chunks c JOIN broadcasts b ON b.id = c.broadcast_id WHERE c.state = 'ready' AND b.state = 'accepted'"
            " AND b.pace IS NULL AND c.carrier_id = :carrier_id AND c.lane = :lane AND c.organization_id = :organization_id",
            **group,
        )[0][0]
        if ready >= READY_CHUNKS_MAX:
            continue
        opened = rows.all(
            connection,
            "UPDATE chunks SET state = 'ready' WHERE state = 'waiting' AND id IN (SELECT c.id FROM chunks c"
            " JOIN broadcasts b ON b.id = c.broadcast_id WHERE c.state = 'waiting' AND c.organization_id = :organization_id"
            " AND c.carrier_id = :carrier_id AND c.lane = :lane AND c.opens_at <= :now AND b.state = 'accepted'"
            " AND b.pace IS NULL ORDER BY c.id LIMIT :n) RETURNING id",
            n=READY_CHUNKS_MAX - ready,
            now=now,
            **group,
        )
        if opened:
            carriers.add(carrier_id)
    return carriers


def _waiting_groups(connection: Connection) -> list[tuple[int, int, int]]:
    """The (organization, carrier, lane) that have waiting chunks: one step of the index for each, however many chunks wait."""
    groups: list[tuple[int, int, int]] = []
    organization_id = carrier_id = lane = -1
    while True:
        found = rows.all(
            connection,
            "SELECT organization_id, carrier_id, lane FROM chunks WHERE state = 'waiting'"
            " AND (organization_id, carrier_id, lane) > (:organization_id, :carrier_id, :lane)"
            " ORDER BY organization_id, carrier_id, lane LIMIT 1",
            organization_id=organization_id,
            carrier_id=carrier_id,
            lane=lane,
        )
        if not found:
            return groups
        organization_id, carrier_id, lane = found[0]
        groups.append((organization_id, carrier_id, lane))


def pass_over(connection: Connection, chunk_id: int, state: str, reason: str, limit: int, now: int) -> int:
    """Settle up to `limit` of a chunk's unmarked messages as `state` without sending them; returns how many.

    Also for a chunk that a bind holds: its row is locked here, and a mark that has read another `marked_id` marks nothing.
    """
    found = rows.all(
        connection,
        "SELECT marked_id, last_id FROM chunks WHERE id = :chunk_id AND state IN ('waiting', 'ready', 'claimed')"
        f" AND marked_id < last_id{rows.for_update(connection)}",
        chunk_id=chunk_id,
    )
    if not found:
        return 0
    marked_id, last_id = found[0]
    to_id = min(marked_id + limit, last_id)
    rows.all(
        connection,
        "UPDATE chunks SET marked_id = :to_id, state = CASE WHEN :to_id = last_id THEN 'claimed' ELSE state END WHERE id = :chunk_id",
        to_id=to_id,
        chunk_id=chunk_id,
    )
    messages = rows.all(
        connection,
        "SELECT m.id, m.broadcast_id, m.organization_id, m.price_milli FROM messages m LEFT JOIN deliveries d ON d.message_id = m.id"
        " WHERE m.id > :marked_id AND m.id <= :to_id AND d.message_id IS NULL",
        marked_id=marked_id,
        to_id=to_id,
    )
    facts = [
        Fact(message_id, chunk_id, broadcast_id, organization_id, price_milli, 1, state, None, None, reason)
        for message_id, broadcast_id, organization_id, price_milli in messages
    ]
    record(connection, facts, now)
    return len(facts)
