"""What is due: schedules that came too late wait for a person, everything else that is due is opened."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from clarion.store import chunks, paces, rows
from clarion.store.control import LATE_SCHEDULE
from clarion.store.interface import interactive


class Opened(NamedTuple):
    """What a look at the calendar came to: the carriers to ring, and the public ids of the broadcasts that now wait for a person.

    `again_s` is when a pace lets more go, None if none does.
    """

    carriers: set[int]
    late: list[UUID]
    again_s: float | None = None


@interactive
def open_due(connection: Connection, late_before: int, now: int) -> Opened:
    """Open what is due. A broadcast that should have begun before `late_before`, and of which nothing was marked yet, is paused instead.

    A text for last night must not go out this morning because a server was down.
    """
    late = [_hold_up(connection, broadcast_id) for (broadcast_id,) in rows.all(connection, _LATE, late_before=late_before)]
    carriers = chunks.open_due(connection, now)
    paced, again_s = paces.open_due(connection, now)
    return Opened(carriers | paced, [public_id for public_id in late if public_id is not None], again_s)


_LATE = "SELECT id FROM broadcasts WHERE state = 'accepted' AND not_before IS NOT NULL AND not_before < :late_before AND started_at IS NULL"


def _hold_up(connection: Connection, broadcast_id: int) -> UUID | None:
    # Its chunks before itself, as everywhere: what they were opened for is over, and others may open in their place.
    rows.all(connection, "UPDATE chunks SET state = 'waiting' WHERE broadcast_id = :id AND state = 'ready'", id=broadcast_id)
    found = rows.all(
        connection,
        "UPDATE broadcasts SET state = 'paused', reason = :reason WHERE id = :id AND state = 'accepted' AND started_at IS NULL"
        " RETURNING public_id",
        reason=LATE_SCHEDULE,
        id=broadcast_id,
    )
    if not found:
        return None
    public_id = found[0][0]
    return public_id if isinstance(public_id, UUID) else UUID(public_id)
