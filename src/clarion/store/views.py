"""What people and clients read of broadcasts and messages. Totals come from the chunks' counters, pages from ranges of ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.core.states import COUNTED, State
from clarion.store import rows, tables


@dataclass(frozen=True, slots=True)
class BroadcastView:
    """A broadcast and where its messages stand: `counts` has every state of ours, `on_the_way` those marked without an outcome yet."""

    id: int
    public_id: UUID
    organization_id: int
    face: str
    lane: int
    state: str
    reason: str | None
    sender: str | None
    text: str
    first_id: int
    last_id: int
    rejected: int
    created_at: int
    started_at: int | None
    finished_at: int | None
    expires_at: int | None
    counts: dict[str, int]
    on_the_way: int
    name: str | None = None
    not_before: int | None = None
    pace: int | None = None
    request_id: str | None = None

    @property
    def recipients(self) -> int:
        """How many messages it has."""
        return self.last_id - self.first_id + 1


class MessageView(NamedTuple):
    """A message in a list. `offset` in its broadcast makes its public id; `chunk_open`: a bind may take it at any time."""

    offset: int
    recipient: int
    sender: str | None
    state: str
    chunk_open: bool
    reason: str | None
    created_at: int
    updated_at: int


_BROADCAST = (
    "id",
    "public_id",
    "organization_id",
    "face",
    "lane",
    "state",
    "reason",
    "sender",
    "text",
    "first_id",
    "last_id",
    "rejected",
    "created_at",
    "started_at",
    "finished_at",
    "expires_at",
    "name",
    "not_before",
    "pace",
    "request_id",
)


def broadcast(connection: Connection, organization_id: int | None, public_id: UUID) -> BroadcastView | None:
    """A broadcast of this organization, or of any for None; one that is not accepted yet is nobody's."""
    table = tables.broadcasts
    query = sa.select(*(table.c[name] for name in _BROADCAST)).where(table.c.public_id == public_id, table.c.state != "accepting")
    if organization_id is not None:
        query = query.where(table.c.organization_id == organization_id)
    row = connection.execute(query).first()
    return None if row is None else _view(connection, row)


def broadcasts(connection: Connection, organization_id: int | None, before_id: int | None, limit: int) -> list[BroadcastView]:
    """The newest broadcasts first, paged by key."""
    table = tables.broadcasts
    query = sa.select(*(table.c[name] for name in _BROADCAST)).where(table.c.state != "accepting")
    if organization_id is not None:
        query = query.where(table.c.organization_id == organization_id)
    if before_id is not None:
        query = query.where(table.c.id < before_id)
    return [_view(connection, row) for row in connection.execute(query.order_by(table.c.id.desc()).limit(limit))]


_COUNTS = ", ".join(f"coalesce(sum({state}_count), 0)" for state in COUNTED)


def _view(connection: Connection, row: Sequence[Any]) -> BroadcastView:
    values = dict(zip(_BROADCAST, row, strict=True))
    found = rows.all(
        connection, f"SELECT {_COUNTS}, coalesce(sum(marked_id - id + 1), 0) FROM chunks WHERE broadcast_id = :id", id=values["id"]
    )[0]
    counts = {str(state): int(count) for state, count in zip(COUNTED, found, strict=False)}
    total = values["last_id"] - values["first_id"] + 1
    passed = int(found[-1])
    settled = sum(counts.values())
    counts[State.WAITING] = total - max(passed, settled)
    return BroadcastView(**values, counts=counts, on_the_way=max(passed - settled, 0))


_MESSAGE = (
    "SELECT m.id - :before_first, m.recipient, m.sender, coalesce(d.state, CASE WHEN m.id <= c.marked_id THEN 'marked' ELSE 'waiting' END),"
    " c.state IN ('ready', 'claimed', 'done') AND m.id <= coalesce(c.open_id, c.last_id), d.reason, coalesce(d.updated_at, :created_at)"
    " FROM chunks c JOIN messages m ON m.id BETWEEN c.id AND c.last_id LEFT JOIN deliveries d ON d.message_id = m.id"
    " WHERE c.broadcast_id = :broadcast_id"
)


def broadcast_messages(
    connection: Connection, view: BroadcastView, states: frozenset[str] | None, offset: int, limit: int
) -> tuple[list[MessageView], int]:
    """A page of a broadcast's messages, from the `offset`-th on, and how many there are in all.

    `states` are ours (`marked` also for a first attempt on its way); an unfiltered page is found by its range of ids, a filtered one
    skips whole chunks by their counters.
    """
    shared: dict[str, Any] = {
        "before_first": view.first_id - 1,
        "created_at": view.created_at,
        "broadcast_id": view.id,
    }
    if states is None:
        found = rows.all(
            connection,
            f"{_MESSAGE} AND m.id BETWEEN :first AND :last ORDER BY m.id",
            first=view.first_id + offset,
            last=min(view.first_id + offset + limit - 1, view.last_id),
            **shared,
        )
        return [_message(row, view.created_at) for row in found], view.recipients
    total = 0
    found = []
    for chunk_id, count in _chunk_counts(connection, view.id, states):
        if count and total + count > offset and len(found) < limit:
            words = ", ".join(f"'{State(state)}'" for state in sorted(states))
            found += rows.all(
                connection,
                f"WITH page(place, recipient, sender, state, open, reason, updated_at) AS ({_MESSAGE} AND c.id = :chunk_id)"
                f" SELECT * FROM page WHERE state IN ({words}) ORDER BY place LIMIT :limit OFFSET :skip",
                chunk_id=chunk_id,
                limit=limit - len(found),
                skip=max(offset - total, 0),
                **shared,
            )
        total += count
    return [_message(row, view.created_at) for row in found], total


def _chunk_counts(connection: Connection, broadcast_id: int, states: frozenset[str]) -> list[tuple[int, int]]:
    """(chunk id, how many of its messages are in one of these states)."""
    counted = [f"{state}_count" for state in COUNTED if state in states]
    every = " + ".join(f"{state}_count" for state in COUNTED)
    if State.WAITING in states:
        counted.append("last_id - marked_id")
    if State.MARKED in states:
        counted.append(f"(marked_id - id + 1) - ({every})")
    total = " + ".join(counted) or "0"
    found = rows.all(connection, f"SELECT id, {total} FROM chunks WHERE broadcast_id = :id ORDER BY id", id=broadcast_id)
    return [(chunk_id, int(count)) for chunk_id, count in found]


def _message(row: Sequence[Any], created_at: int) -> MessageView:
    offset, recipient, sender, state, chunk_open, reason, updated_at = row
    return MessageView(offset, recipient, sender, state, bool(chunk_open), reason, created_at, updated_at)


def unmarked_open(connection: Connection, broadcast_id: int) -> int:
    """How many messages of a broadcast a bind may take at any time."""
    query = (
        "SELECT coalesce(sum(coalesce(open_id, last_id) - marked_id), 0) FROM chunks"
        " WHERE broadcast_id = :id AND state IN ('ready', 'claimed') AND marked_id < coalesce(open_id, last_id)"
    )
    return int(rows.all(connection, query, id=broadcast_id)[0][0])


def balance(connection: Connection, organization_id: int) -> int:
    """What is available in the wallet, in thousandths of the minor unit: what is held is gone from it."""
    return int(rows.all(connection, "SELECT available_milli FROM wallets WHERE organization_id = :id", id=organization_id)[0][0])
