"""What somebody who waits for a broadcast reads: whether it can end soon, whether it has ended, and how each message ended."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from clarion.store import owners, rows

ACCEPTED = "accepted"


class Share(NamedTuple):
    """What of a broadcast goes through one carrier. `processes` hold a bind of it that is bound or connecting."""

    carrier_id: int
    segments: int
    processes: int


class Outlook(NamedTuple):
    """A broadcast as it begins. Its messages are `first_id` to `last_id`."""

    first_id: int
    last_id: int
    shares: list[Share]


class Ending(NamedTuple):
    """What is recorded of a message so far; `offset` in its broadcast."""

    offset: int
    state: str
    reason: str | None


def outlook(connection: Connection, public_id: UUID) -> Outlook:
    """Of an accepted broadcast."""
    broadcast_id, first_id, last_id = rows.one(
        connection, "SELECT id, first_id, last_id FROM broadcasts WHERE public_id = :public_id", public_id=public_id
    )
    shares = rows.all(
        connection,
        "SELECT c.carrier_id, sum(m.segments),"
        " (SELECT count(DISTINCT b.owner) FROM binds b WHERE b.carrier_id = c.carrier_id AND b.owner IS NOT NULL"
        " AND b.lease_until > :now AND b.state IN ('bound', 'connecting'))"
        " FROM chunks c JOIN messages m ON m.id BETWEEN c.id AND c.last_id WHERE c.broadcast_id = :id GROUP BY c.carrier_id",
        id=broadcast_id,
        now=owners.engine_now(connection),
    )
    return Outlook(first_id, last_id, [Share(carrier_id, int(segments), int(processes)) for carrier_id, segments, processes in shares])


def is_under_way(connection: Connection, public_id: UUID) -> bool:
    """Whether messages of it still have to end; one that was paused or cancelled is left to whoever did it."""
    state = rows.one(connection, "SELECT state FROM broadcasts WHERE public_id = :public_id", public_id=public_id)
    return state is not None and state[0] == ACCEPTED


def endings(connection: Connection, outlook: Outlook, after: int, limit: int) -> list[Ending]:
    """The messages that have a row, from the one behind offset `after` on, `limit` offsets."""
    found = rows.all(
        connection,
        "SELECT message_id - :before, state, reason FROM deliveries WHERE message_id BETWEEN :first_id AND :last_id",
        before=outlook.first_id - 1,
        first_id=outlook.first_id + after,
        last_id=min(outlook.first_id + after + limit - 1, outlook.last_id),
    )
    return [Ending(*row) for row in found]
