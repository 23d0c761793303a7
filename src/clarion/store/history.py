"""Everything that is known of one message, in the order of time, and of one broadcast's failures and money."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.core.reference import FORMS
from clarion.core.states import HELD, RELEASED, State
from clarion.store import rows, submits, tables
from clarion.store.views import BroadcastView


class Event(NamedTuple):
    """Something that happened to a message. `at` in microseconds; `carrier` and `reference` where one is involved."""

    at: int
    what: str
    detail: str = ""
    carrier: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """A message and its events. `state` is ours; `money` is held, charged or released, empty for one that costs nothing."""

    message_id: int
    offset: int
    broadcast: UUID
    request_id: str | None
    organization_id: int
    recipient: int
    sender: str | None
    text: str
    encoding: str
    segments: int
    price_milli: int
    state: str
    reason: str | None
    money: str
    attempt: int
    carrier: str | None
    reference: str | None
    events: list[Event]


class Reason(NamedTuple):
    """Why messages ended as they did, or recipients were refused at accept (`rejected`)."""

    state: str
    reason: str
    messages: int


class Hold(NamedTuple):
    """A broadcast's money, in thousandths of the minor unit."""

    reserved_milli: int
    charged_milli: int
    released_milli: int


def message_history(connection: Connection, broadcast: UUID, offset: int) -> History | None:
    """All of one message, by the public id of its broadcast and its place in it; None if there is none."""
    b, m = tables.broadcasts.c, tables.messages.c
    row = connection.execute(
        sa.select(
            tables.messages, b.text.label("shared"), b.created_at, b.started_at, b.expires_at, b.sender.label("shared_sender"), b.request_id
        )
        .join_from(tables.broadcasts, tables.messages, m.id == b.first_id + offset - 1)
        .where(b.public_id == broadcast, b.state != "accepting", m.broadcast_id == b.id)
    ).first()
    if row is None:
        return None
    carriers = dict(rows.all(connection, "SELECT id, name FROM carriers"))
    delivery = connection.execute(sa.select(tables.deliveries).where(tables.deliveries.c.message_id == row.id)).first()
    chunk = connection.execute(
        sa.select(tables.chunks)
        .where(tables.chunks.c.id <= row.id, tables.chunks.c.last_id >= row.id, tables.chunks.c.broadcast_id == row.broadcast_id)
        .order_by(tables.chunks.c.id.desc())
    ).first()
    state = delivery.state if delivery is not None else State.MARKED if chunk is not None and row.id <= chunk.marked_id else State.WAITING
    earlier = connection.execute(sa.select(tables.attempts).where(tables.attempts.c.message_id == row.id)).all()
    events = [
        *([Event(row.created_at, "request", row.request_id)] if row.request_id is not None else []),
        Event(row.created_at, "accepted", f"{row.segments} segment{'s' if row.segments > 1 else ''} of {row.encoding}"),
        *_chunk_events(row, chunk, state, carriers),
        *_submits(connection, row.id, carriers),
        *_earlier_attempts(earlier, carriers),
        *_parts(connection, row.id, carriers),
        *_delivery_events(delivery, row.price_milli, carriers, earlier),
        *_orphans(connection, row.id, delivery, carriers),
    ]
    charged = delivery is not None and delivery.charged_milli > 0
    return History(
        message_id=row.id,
        offset=offset,
        broadcast=broadcast,
        request_id=row.request_id,
        organization_id=row.organization_id,
        recipient=row.recipient,
        sender=row.sender or row.shared_sender,
        text=row.shared if row.text is None else row.text,
        encoding=row.encoding,
        segments=row.segments,
        price_milli=row.price_milli,
        state=state,
        reason=None if delivery is None else delivery.reason,
        money="" if not row.price_milli else "charged" if charged else "held" if state in HELD else "released",
        attempt=1 if delivery is None else delivery.attempt,
        carrier=carriers.get((chunk.carrier_id if chunk is not None else None) if delivery is None else delivery.carrier_id),
        reference=None if delivery is None else delivery.carrier_reference,
        events=sorted(events, key=lambda event: event.at),
    )


def failure_reasons(connection: Connection, view: BroadcastView) -> list[Reason]:
    """Why messages of a broadcast failed, wait again or are in doubt, and why recipients were refused; the commonest first."""
    found = rows.all(
        connection,
        "SELECT state, coalesce(reason, ''), count(*) FROM deliveries WHERE message_id BETWEEN :first AND :last"
        " AND state NOT IN ('sent', 'delivered') GROUP BY state, coalesce(reason, '')"
        " UNION ALL SELECT 'rejected', reason, count(*) FROM rejects WHERE broadcast_id = :id GROUP BY reason",
        first=view.first_id,
        last=view.last_id,
        id=view.id,
    )
    return sorted((Reason(*row) for row in found), key=lambda reason: -reason.messages)


def hold_of(connection: Connection, broadcast_id: int) -> Hold:
    """What was reserved for a broadcast and what became of it."""
    row = rows.one(connection, "SELECT amount_milli, charged_milli, released_milli FROM holds WHERE broadcast_id = :id", id=broadcast_id)
    return Hold(0, 0, 0) if row is None else Hold(*row)


def _chunk_events(row: Any, chunk: Any, state: str, carriers: dict[int, str]) -> Iterator[Event]:  # noqa: ANN401  (rows)
    if chunk is None:
        return
    carrier = carriers.get(chunk.carrier_id)
    yield Event(row.created_at, "routed", f"lane {chunk.lane}", carrier)
    if state == State.WAITING:
        opens_at = max(chunk.opens_at, row.created_at)
        yield Event(opens_at, "waiting", "its turn comes" if chunk.state == "waiting" else "a connection may take it at any time", carrier)
    elif state == State.MARKED and row.started_at is not None:
        yield Event(row.started_at, "on the way", "marked, its outcome is not recorded yet", carrier)


def _submits(connection: Connection, message_id: int, carriers: dict[int, str]) -> Iterator[Event]:
    """Where on the wire it went. A message that is turned away is given again without another mark."""
    marked: set[int] = set()
    for found in submits.of_message(connection, message_id):
        carrier = carriers.get(found.carrier_id)
        if found.attempt not in marked:
            marked.add(found.attempt)
            yield Event(found.marked_at, "marked", f"attempt {found.attempt}", carrier)
        last = found.sequence + found.parts - 1
        sequences = f"sequence {found.sequence}" if found.parts == 1 else f"sequences {found.sequence} to {last}"
        within = f", by {(found.until_at - found.submitted_at) / 1_000:.0f} ms later" if found.until_at > found.submitted_at else ""
        yield Event(found.submitted_at, "submitted", f"bind {found.slot}, connection {found.connection}, {sequences}{within}", carrier)


def _earlier_attempts(earlier: Sequence[Any], carriers: dict[int, str]) -> Iterator[Event]:
    for attempt in earlier:
        told = f"{attempt.outcome}{f': {attempt.reason}' if attempt.reason else ''}"
        later = f"; the carrier said {attempt.receipt} later" if attempt.receipt else ""
        yield Event(
            attempt.ended_at, f"attempt {attempt.attempt}", told + later, carriers.get(attempt.carrier_id), attempt.carrier_reference
        )


def _parts(connection: Connection, message_id: int, carriers: dict[int, str]) -> Iterator[Event]:
    for part in connection.execute(sa.select(tables.parts).where(tables.parts.c.message_id == message_id)):
        told = f"{part.state}{f': {part.reason}' if part.reason else ''}"
        what = f"part {part.part} of attempt {part.attempt}"
        yield Event(part.updated_at, what, told, carriers.get(part.carrier_id), part.carrier_reference)


def _delivery_events(
    delivery: Any,  # noqa: ANN401  (a row or None)
    price_milli: int,
    carriers: dict[int, str],
    earlier: Sequence[Any],
) -> Iterator[Event]:
    if delivery is None:
        return
    carrier = carriers.get(delivery.carrier_id)
    taken = next((attempt for attempt in earlier if attempt.outcome == State.UNDELIVERED), None)
    if delivery.charged_milli and taken is not None:
        yield Event(
            taken.ended_at, "charged", f"attempt {taken.attempt} was taken; there is no other charge", carriers.get(taken.carrier_id)
        )
    if delivery.sent_at is not None:
        yield Event(delivery.sent_at, "sent", f"attempt {delivery.attempt}: the carrier took it", carrier, delivery.carrier_reference)
        if delivery.charged_milli and taken is None:
            yield Event(delivery.sent_at, "charged")
    reason = delivery.reason or ""
    if delivery.state == State.SENT:
        if reason:
            yield Event(delivery.updated_at, "receipt", f"{reason}, which is no end", carrier)
        return
    if delivery.state == State.RETRY:
        yield Event(delivery.updated_at, "retry", reason, carrier)
        yield Event(delivery.due_at or delivery.updated_at, "due", f"attempt {delivery.attempt} may begin", carrier)
        return
    reference = delivery.carrier_reference if delivery.sent_at is None else None
    yield Event(delivery.updated_at, delivery.state, reason, carrier, reference)
    if delivery.state in RELEASED and not delivery.charged_milli:
        yield Event(delivery.updated_at, "released", "its money went back")
    if delivery.state == State.UNDELIVERED and price_milli and not delivery.charged_milli:
        yield Event(delivery.updated_at, "not charged", "what fails is not paid")


def _orphans(connection: Connection, message_id: int, delivery: Any, carriers: dict[int, str]) -> Iterator[Event]:  # noqa: ANN401  (as above)
    """Receipts under one of its references that were not taken for it."""
    a, o, p = tables.attempts.c, tables.orphans.c, tables.parts.c
    known = {(delivery.carrier_id, delivery.carrier_reference)} if delivery is not None else set()
    known |= {
        (row[0], row[1]) for row in connection.execute(sa.select(a.carrier_id, a.carrier_reference).where(a.message_id == message_id))
    }
    known |= {
        (row[0], row[1]) for row in connection.execute(sa.select(p.carrier_id, p.carrier_reference).where(p.message_id == message_id))
    }
    for carrier_id, reference in known:
        if not reference:
            continue
        spellings = {spelling for read in FORMS.values() if (spelling := read(reference)) is not None}
        query = sa.select(tables.orphans).where(o.carrier_id == carrier_id, o.carrier_reference.in_(spellings))
        for orphan in connection.execute(query):
            told = f"{orphan.state} {orphan.reason}".strip()
            yield Event(orphan.received_at, "receipt that fits nothing", told, carriers.get(carrier_id), orphan.carrier_reference)
