"""Accepting a broadcast: reserve, messages, publish; three short transactions (section 2 of the design).

One that is small takes a single one: `whole`.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from clarion.store import money, rows
from clarion.store.errors import Unavailable
from clarion.store.interface import interactive

SLICE = 500
"""Messages that are taken back by one transaction."""

INTERRUPTED = "accept_interrupted"
"""Why a broadcast was taken back whose accept was cut off."""

MESSAGE_COLUMNS = {
    "id": "bigint",
    "broadcast_id": "bigint",
    "organization_id": "bigint",
    "recipient": "bigint",
    "sender": "text",
    "text": "text",
    "encoding": "text",
    "segments": "smallint",
    "price_milli": "bigint",
}


class Draft(NamedTuple):
    """A broadcast as it begins. Times are microseconds; `lane` 0 single, 1 small and synchronous, 2 bulk.

    `refunds_failed`: a failed receipt gives a charge back. `failover_undelivered`: it tries the next route first. `pace` is in messages a
    minute, None for none.
    """

    public_id: UUID
    organization_id: int
    campaign_id: int | None
    face: str
    lane: int
    sender: str | None
    text: str
    not_before: int | None
    expires_at: int | None
    now: int
    name: str | None = None
    refunds_failed: bool = False
    pace: int | None = None
    request_id: str | None = None
    failover_undelivered: bool = False


class Reserved(NamedTuple):
    """What the reserve gave: the first `paid` of the prices are in the hold, `available_milli` is left."""

    broadcast_id: int
    first_id: int
    paid: int
    available_milli: int


class ChunkDraft(NamedTuple):
    """A range of message ids of one carrier."""

    first_id: int
    last_id: int
    carrier_id: int


class Shortfall(Exception):
    """The wallet cannot pay for all, and the caller wants all or nothing."""

    def __init__(self, required_milli: int, available_milli: int) -> None:
        super().__init__(f"{required_milli} required, {available_milli} available")
        self.required_milli = required_milli
        self.available_milli = available_milli


class Abandoned(Unavailable):
    """Sweep has dropped the broadcast while it was being accepted; nothing of it is kept."""


class Terms(NamedTuple):
    """How a broadcast is paid. `partial` pays for as many of the first messages as the wallet can, else `Shortfall` is raised.

    `limit_milli` is how far the wallet may go below 0; None for an organization that is not billed.
    """

    partial: bool
    limit_milli: int | None


_INSERT = (
    "INSERT INTO broadcasts (public_id, organization_id, campaign_id, face, lane, state, sender, text, first_id, last_id, not_before,"
    " expires_at, created_at, touched_at, name, refunds_failed, pace, request_id, failover_undelivered)"
    " VALUES (:public_id, :organization_id, CAST(:campaign_id AS bigint), :face,"
    " :lane, 'accepting', CAST(:sender AS text), :text, :first_id, :last_id, CAST(:not_before AS bigint), CAST(:expires_at AS bigint),"
    " :now, :now, CAST(:name AS text), :refunds_failed, CAST(:pace AS int), CAST(:request_id AS text), :failover_undelivered) RETURNING id"
)


@interactive
def reserve(connection: Connection, draft: Draft, totals: Sequence[int], terms: Terms) -> Reserved:
    """Begin a broadcast: its row, its range of ids, its money; `totals` are the running sums of the prices, in the order of the request.

    Raises `Shortfall`, and nothing is kept, if the wallet cannot pay for all and the terms are not partial.
    """
    partial, limit_milli = terms
    paid, available, amount = len(totals), 0, totals[-1] if totals else 0
    if limit_milli is not None:
        available = money.lock_available(connection, draft.organization_id)
        if amount > available + limit_milli:
            if not partial:
                raise Shortfall(amount, available)
            paid = bisect_right(totals, available + limit_milli)
            amount = totals[paid - 1] if paid else 0
    last = rows.all(connection, "UPDATE sequences SET value = value + :n WHERE name = 'message' RETURNING value", n=paid)[0][0]
    first_id = int(last) - paid + 1
    broadcast_id = insert(connection, draft, first_id, int(last))
    if limit_milli is not None:
        money.hold(connection, draft.organization_id, broadcast_id, amount, draft.now)
    return Reserved(broadcast_id, first_id, paid, available - amount)


def insert(connection: Connection, draft: Draft, first_id: int, last_id: int) -> int:
    """The row of a broadcast that is being accepted; returns its id."""
    (broadcast_id,) = rows.one(connection, _INSERT, first_id=first_id, last_id=last_id, **draft._asdict())
    return int(broadcast_id)


def add_messages(connection: Connection, records: Sequence[tuple[object, ...]], broadcast_id: int, now: int) -> None:
    """Store a slice of messages, rows of `MESSAGE_COLUMNS`. Nobody sees them until `publish`. Raises `Abandoned`."""
    rows.copy(connection, "messages", MESSAGE_COLUMNS, records)
    touch(connection, "touched_at = :now", broadcast_id, now=now)


@interactive
def publish(
    connection: Connection,
    broadcast_id: int,
    draft: Draft,
    chunks: Sequence[ChunkDraft],
    rejects: Sequence[tuple[int, str, str]],
    stored_rejects: int = 0,
) -> None:
    """Put an accepted broadcast on the road. `rejects` are (position, recipient as sent, reason); so many others were stored before.

    Raises `Abandoned`.
    """
    touch(
        connection,
        "state = :state, rejected = :rejected, open_chunks = :open, finished_at = :finished_at",
        broadcast_id,
        state="accepted" if chunks else "completed",
        rejected=len(rejects) + stored_rejects,
        open=len(chunks),
        finished_at=None if chunks else draft.now,
    )
    if chunks:
        rows.execute(
            connection,
            "INSERT INTO chunks (id, broadcast_id, organization_id, carrier_id, lane, marked_id, last_id, opens_at, state, open_id)"
            " SELECT id, :broadcast_id, :organization_id, carrier_id, :lane, id - 1, last_id, :opens_at, :state,"
            " CASE WHEN :paced THEN id - 1 END FROM v WHERE true",
            v=({"id": "bigint", "last_id": "bigint", "carrier_id": "bigint"}, [tuple(chunk) for chunk in chunks]),
            broadcast_id=broadcast_id,
            organization_id=draft.organization_id,
            lane=draft.lane,
            opens_at=draft.now if draft.not_before is None else draft.not_before,
            state=first_state(draft),
            paced=draft.pace is not None,
        )
    if rejects:
        rows.execute(
            connection,
            "INSERT INTO rejects (broadcast_id, position, recipient, reason)"
            " SELECT :broadcast_id, position, recipient, reason FROM v WHERE true",
            v=({"position": "int", "recipient": "text", "reason": "text"}, rejects),
            broadcast_id=broadcast_id,
        )


def first_state(draft: Draft) -> str:
    """That of its chunks.

    Those of lanes 0 and 1 that are neither scheduled nor paced are ready at once: they are small, and there is nothing to share out.
    """
    return "ready" if draft.lane < 2 and draft.not_before is None and draft.pace is None else "waiting"


def touch(connection: Connection, changes: str, broadcast_id: int, **values: object) -> None:
    """Change a broadcast that is still being accepted: `drop_abandoned` may have taken it for dead, and its money is gone then."""
    text = f"UPDATE broadcasts SET {changes} WHERE id = :id AND state = 'accepting' AND reason IS NULL RETURNING id"
    if not rows.all(connection, text, id=broadcast_id, **values):
        raise Abandoned("The broadcast was taken for one whose accept was cut off: it took longer than ten minutes between two slices.")


def opted_out(connection: Connection, organization_id: int, recipients: Sequence[int]) -> set[int]:
    """Those of the recipients whom this organization must not write to."""
    if not rows.all(
        connection, "SELECT 1 FROM suppressions WHERE organization_id = :organization_id LIMIT 1", organization_id=organization_id
    ):
        return set()
    found = rows.execute(
        connection,
        "SELECT s.recipient FROM suppressions s WHERE s.organization_id = :organization_id"
        f" AND s.recipient {rows.among(connection, 'recipient')}",
        v=({"recipient": "bigint"}, [(recipient,) for recipient in recipients]),
        organization_id=organization_id,
    )
    return {recipient for (recipient,) in found}


class Dropped(NamedTuple):
    """A slice was taken back of this broadcast; `is_over`: it was the last one."""

    broadcast_id: int
    is_over: bool


def drop_abandoned(connection: Connection, before: int, now: int) -> Dropped | None:
    """Take back a slice of a broadcast whose accept ended in the middle (last slice before `before`); call it until there is none.

    Nobody was told that it was accepted.
    """
    found = rows.all(
        connection,
        "SELECT id FROM broadcasts WHERE state = 'accepting' AND touched_at < :before ORDER BY touched_at LIMIT 1"
        f"{rows.for_update(connection, skip_locked=True)}",
        before=before,
    )
    if not found:
        return None
    ((broadcast_id,),) = found
    return Dropped(broadcast_id, is_over=not withdraw(connection, broadcast_id, INTERRUPTED, now))


def withdraw(connection: Connection, broadcast_id: int, reason: str, now: int) -> bool:
    """Take back a slice of a broadcast that was not published: first its money, then its messages; whether something is left to do.

    From the first slice on nothing can be added to it, and it cannot be published (`Abandoned`).
    """
    found = rows.one(
        connection,
        f"SELECT organization_id, first_id, last_id FROM broadcasts WHERE id = :id AND state = 'accepting'{rows.for_update(connection)}",
        id=broadcast_id,
    )
    if found is None:
        return False
    organization_id, first_id, last_id = found
    held = rows.one(connection, "SELECT amount_milli - released_milli FROM holds WHERE broadcast_id = :id", id=broadcast_id)
    if held is not None and held[0]:
        money.draw_holds(connection, {}, {(broadcast_id, organization_id): held[0]}, now)
    # From the end, where a file's messages stop long before its range of ids does.
    top = rows.one(connection, "SELECT max(id) FROM messages WHERE id BETWEEN :first_id AND :last_id", first_id=first_id, last_id=last_id)[
        0
    ]
    left = 0 if top is None else top - first_id + 1
    if top is not None:
        last_id = max(first_id, top - SLICE + 1) - 1
        rows.all(connection, "DELETE FROM messages WHERE id BETWEEN :after + 1 AND :top", after=last_id, top=top)
    refused = rows.change(
        connection,
        "DELETE FROM rejects WHERE broadcast_id = :id AND position IN"
        " (SELECT position FROM rejects WHERE broadcast_id = :id ORDER BY position LIMIT :slice)",
        id=broadcast_id,
        slice=SLICE,
    )
    if left > SLICE or refused == SLICE:
        changes = "reason = :reason, touched_at = 0, last_id = :last_id"
        rows.all(connection, f"UPDATE broadcasts SET {changes} WHERE id = :id", id=broadcast_id, reason=reason, last_id=last_id)
        return True
    rows.all(
        connection,
        "UPDATE broadcasts SET state = 'cancelled', reason = coalesce(reason, :reason), last_id = first_id - 1, finished_at = :now"
        " WHERE id = :id",
        now=now,
        id=broadcast_id,
        reason=reason,
    )
    return False
