"""Chunks on their way: opening, claiming and marking (law 2 and section 2 of the design).

The mark is one number: moving `chunks.marked_id` past messages, committed, is what allows their bytes to be given to the wire. Every
function that moves it holds the bind's row and checks its fence, so that a worker that was taken for dead can mark nothing more.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.states import RANK, State
from clarion.store import rows
from clarion.store.deliveries import Fact, Moved, record, settle
from clarion.store.interface import interactive

READY_CHUNKS_MAX = 8
"""Ready chunks of one organization, carrier and lane: bounds the claim query, and makes pause, cancel and pace bite at once."""

CANDIDATES_MAX = 64
"""Ready chunks that a claim looks at, the first of each organization before the second of any."""

TURN_MESSAGES = 100
"""What an organization may mark before the others of its lane are asked again."""


class Marked(NamedTuple):
    """A message that may be given to the wire, once. Long texts are cut by the dispatcher."""

    message_id: int
    chunk_id: int
    broadcast_id: int
    organization_id: int
    lane: int
    attempt: int
    recipient: int
    sender: str | None
    text: str
    encoding: str
    segments: int
    price_milli: int
    expires_at: int | None


class Taken(NamedTuple):
    """What a mark gave. `fenced`: the bind belongs to somebody else. `exhausted`: a chunk was marked to its end, others may be opened.

    `more`: what is open has, or may have, more in it than was marked.
    """

    messages: list[Marked]
    fenced: bool = False
    exhausted: bool = False
    more: bool = False


class _Candidate(NamedTuple):
    chunk_id: int
    broadcast_id: int
    organization_id: int
    lane: int
    marked_id: int
    last_id: int


class _Unmarked(NamedTuple):
    message_id: int
    chunk_id: int
    broadcast_id: int
    organization_id: int
    recipient: int
    sender: str | None
    text: str | None
    encoding: str
    segments: int
    price_milli: int
    opt_out: str | None


_OWN = (
    "SELECT c.id, c.broadcast_id, c.organization_id, c.lane, c.marked_id, c.last_id FROM chunks c"
    " JOIN broadcasts b ON b.id = c.broadcast_id WHERE c.state = 'claimed' AND c.bind_id = :bind_id AND c.marked_id < c.last_id"
    " AND b.state = 'accepted' ORDER BY c.lane, c.id"
)
_READY = (
    "SELECT c.id, c.broadcast_id, c.organization_id, c.lane, c.marked_id, c.last_id FROM (SELECT id, broadcast_id, organization_id,"
    " lane, marked_id, last_id, row_number() OVER (PARTITION BY lane, organization_id ORDER BY id) AS place"
    " FROM chunks WHERE state = 'ready' AND carrier_id = :carrier_id) c JOIN broadcasts b ON b.id = c.broadcast_id"
    " WHERE b.state = 'accepted' ORDER BY c.lane, c.place, c.id LIMIT :candidates"
)
_MARK = (
    "UPDATE chunks SET marked_id = v.to_id, state = 'claimed', bind_id = :bind_id, fence = :fence FROM v"
    " WHERE chunks.id = v.id AND chunks.marked_id = v.from_id AND (chunks.state = 'ready' OR chunks.state = 'claimed' AND"
    " chunks.bind_id = :bind_id AND chunks.fence = :fence) RETURNING chunks.id"
)
_MESSAGES = (
    "SELECT m.id, v.id, m.broadcast_id, m.organization_id, m.recipient, m.sender, m.text, m.encoding, m.segments, m.price_milli,"
    " s.reason FROM v CROSS JOIN messages m LEFT JOIN suppressions s"
    " ON s.organization_id = m.organization_id AND s.recipient = m.recipient"
    " WHERE m.id > v.from_id AND m.id <= v.to_id ORDER BY m.id"
)
_RANGE = {"id": "bigint", "from_id": "bigint", "to_id": "bigint"}


def take(
    connection: Connection, bind_id: int, carrier_id: int, fence: int, room: int, bulk_room: int, in_flight: dict[int, int], now: int
) -> Taken:
    """Mark the next messages for a bind: by lane, the organization with least in flight on it, age; due retries before new bulk.

    `room` is how many more may be in doubt, `bulk_room` how many of lane 2; `in_flight` counts messages by organization. Messages that
    must not go out any more (opted out, expired) are passed over and settled here.
    """
    if not rows.all(
        connection, f"SELECT 1 FROM binds WHERE id = :bind_id AND fence = :fence{rows.for_share(connection)}", bind_id=bind_id, fence=fence
    ):
        return Taken([], fenced=True)
    ready = rows.read(connection, _Candidate, _READY, carrier_id=carrier_id, candidates=CANDIDATES_MAX)
    candidates = rows.read(connection, _Candidate, _OWN, bind_id=bind_id) + ready
    # Retries may be many, when a carrier was removed: single sends and replies go before them, as they go before other bulk.
    quick = sum(c.last_id - c.marked_id for c in candidates if c.lane < 2)
    retries_room = min(bulk_room, room - quick)
    retried = _mark_retries(connection, carrier_id, fence, retries_room, now)
    room, bulk_room = room - len(retried), bulk_room - len(retried)
    ranges = _share(candidates, room, bulk_room, in_flight)
    # Where a query came back full, what it left out has not been looked at.
    full = len(retried) == max(retries_room, 0) or room == 0 or len(ready) == CANDIDATES_MAX
    more = full or sum(c.last_id - c.marked_id for c in candidates) > sum(to_id - from_id for _, from_id, to_id in ranges)
    if not ranges:
        return Taken(retried, more=more)
    marked = {chunk_id for (chunk_id,) in rows.execute(connection, _MARK, v=(_RANGE, sorted(ranges)), bind_id=bind_id, fence=fence)}
    ranges = [part for part in ranges if part[0] in marked]
    last_ids = {candidate.chunk_id: candidate.last_id for candidate in candidates}
    exhausted = any(to_id == last_ids[chunk_id] for chunk_id, _, to_id in ranges)
    return Taken(retried + _read(connection, ranges, candidates, now), exhausted=exhausted, more=more)


def _share(candidates: list[_Candidate], room: int, bulk_room: int, in_flight: dict[int, int]) -> list[tuple[int, int, int]]:
    """Deal room out by lane, then fewest in flight, then age, a turn at a time; returns (chunk id, marked id before, after)."""
    taken: dict[int, int] = {}
    in_flight = dict(in_flight)
    open_ = list(candidates)
    while open_ and room > 0:
        lane = min(candidate.lane for candidate in open_)
        if lane == 2 and bulk_room <= 0:
            break
        first = min(
            (candidate for candidate in open_ if candidate.lane == lane),
            key=lambda candidate: (in_flight.get(candidate.organization_id, 0), candidate.chunk_id),
        )
        done = taken.get(first.chunk_id, 0)
        left = first.last_id - first.marked_id - done
        alone = all(candidate.organization_id == first.organization_id for candidate in open_ if candidate.lane == lane)
        turn = min(left, room, bulk_room if lane == 2 else room, room if alone else TURN_MESSAGES)
        taken[first.chunk_id] = done + turn
        in_flight[first.organization_id] = in_flight.get(first.organization_id, 0) + turn
        room -= turn
        bulk_room -= turn if lane == 2 else 0
        if turn == left:
            open_.remove(first)
    by_id = {candidate.chunk_id: candidate for candidate in candidates}
    return [(chunk_id, by_id[chunk_id].marked_id, by_id[chunk_id].marked_id + n) for chunk_id, n in taken.items()]


def _read(connection: Connection, ranges: Sequence[tuple[int, int, int]], candidates: Sequence[_Candidate], now: int) -> list[Marked]:
    """The messages of the ranges that may go out, in the order of the ranges; the others are settled."""
    lanes = {candidate.chunk_id: (candidate.lane, candidate.broadcast_id) for candidate in candidates}
    broadcasts = _broadcasts(connection, {lanes[chunk_id][1] for chunk_id, _, _ in ranges}, now)
    going: list[Marked] = []
    passed: list[Fact] = []
    for row in rows.read(connection, _Unmarked, _MESSAGES, v=(_RANGE, ranges)):
        message_id, chunk_id, broadcast_id, organization_id, recipient, sender, text, encoding, segments, price_milli, opt_out = row
        broadcast_text, expires_at = broadcasts[broadcast_id]
        if opt_out is not None or (expires_at is not None and expires_at <= now):
            state, reason = (State.SUPPRESSED, f"opted_out: {opt_out}") if opt_out is not None else (State.EXPIRED, "validity_over")
            passed.append(Fact(message_id, chunk_id, broadcast_id, organization_id, price_milli, 1, state, None, None, reason))
            continue
        going.append(
            Marked(
                message_id,
                chunk_id,
                broadcast_id,
                organization_id,
                lanes[chunk_id][0],
                1,
                recipient,
                sender,
                broadcast_text if text is None else text,
                encoding,
                segments,
                price_milli,
                expires_at,
            )
        )
    if passed:
        record(connection, passed, now)
    return going


def _broadcasts(connection: Connection, ids: set[int], now: int) -> dict[int, tuple[str, int | None]]:
    found = rows.execute(
        connection,
        "SELECT b.id, b.text, b.expires_at, b.started_at FROM v JOIN broadcasts b ON b.id = v.id",
        v=({"id": "bigint"}, [(broadcast_id,) for broadcast_id in sorted(ids)]),
    )
    beginning = [(broadcast_id,) for broadcast_id, _, _, started_at in found if started_at is None]
    if beginning:
        rows.execute(
            connection,
            "UPDATE broadcasts SET started_at = :now FROM v WHERE broadcasts.id = v.id AND started_at IS NULL",
            v=({"id": "bigint"}, beginning),
            now=now,
        )
    return {broadcast_id: (text, expires_at) for broadcast_id, text, expires_at, _ in found}


_RETRIES = (
    "SELECT d.message_id, d.chunk_id, m.broadcast_id, m.organization_id, c.lane, d.attempt, m.recipient, m.sender,"
    " coalesce(m.text, b.text), m.encoding, m.segments, m.price_milli, b.expires_at, s.reason"
    " FROM deliveries d JOIN messages m ON m.id = d.message_id JOIN chunks c ON c.id = d.chunk_id"
    " JOIN broadcasts b ON b.id = m.broadcast_id LEFT JOIN suppressions s"
    " ON s.organization_id = m.organization_id AND s.recipient = m.recipient"
    " WHERE d.state = 'retry' AND d.carrier_id = :carrier_id AND d.due_at <= :now AND b.state = 'accepted' ORDER BY d.due_at LIMIT :room"
)
_MARK_RETRY = (
    f"UPDATE deliveries SET state = 'marked', rank = {RANK[State.MARKED]}, fence = :fence, updated_at = :now FROM v"
    f" WHERE deliveries.message_id = v.id AND deliveries.attempt = v.attempt AND deliveries.rank = {RANK[State.RETRY]}"
    " RETURNING deliveries.message_id"
)


def _mark_retries(connection: Connection, carrier_id: int, fence: int, room: int, now: int) -> list[Marked]:
    """Retries are marked row by row: they are rare."""
    if room <= 0:
        return []
    # Locked, so that what a sweep or another bind is moving at this moment is neither passed over nor waited for.
    lock = rows.for_update(connection, "d", skip_locked=True)
    found = rows.all(connection, _RETRIES + lock, carrier_id=carrier_id, now=now, room=room)
    if not found:
        return []
    due = {row[0]: (Marked(*row[:-1]), row[-1]) for row in found}
    passed = [
        Fact(
            message.message_id,
            message.chunk_id,
            message.broadcast_id,
            message.organization_id,
            message.price_milli,
            message.attempt,
            State.EXPIRED if opt_out is None else State.SUPPRESSED,
            None,
            None,
            "validity_over" if opt_out is None else f"opted_out: {opt_out}",
        )
        for message, opt_out in due.values()
        if opt_out is not None or (message.expires_at is not None and message.expires_at <= now)
    ]
    over = {fact.message_id for fact in passed}
    data = [(message_id, message.attempt) for message_id, (message, _) in due.items() if message_id not in over]
    marked = rows.execute(connection, _MARK_RETRY, v=({"id": "bigint", "attempt": "smallint"}, data), fence=fence, now=now) if data else []
    going = [due[message_id][0] for (message_id,) in marked]
    settle(
        connection,
        [Moved(m.chunk_id, m.broadcast_id, m.organization_id, State.RETRY, State.MARKED, m.price_milli) for m in going],
        now,
    )
    if passed:
        record(connection, passed, now)
    return going


@interactive
def open_due(connection: Connection, now: int) -> set[int]:
    """Make waiting chunks ready, up to `READY_CHUNKS_MAX` for each organization, carrier and lane. Returns the carriers to ring."""
    carriers: set[int] = set()
    for organization_id, carrier_id, lane in _waiting_groups(connection):
        group = {"organization_id": organization_id, "carrier_id": carrier_id, "lane": lane}
        ready = rows.all(
            connection,
            "SELECT count(*) FROM chunks c JOIN broadcasts b ON b.id = c.broadcast_id WHERE c.state = 'ready' AND b.state = 'accepted'"
            " AND c.carrier_id = :carrier_id AND c.lane = :lane AND c.organization_id = :organization_id",
            **group,
        )[0][0]
        if ready >= READY_CHUNKS_MAX:
            continue
        opened = rows.all(
            connection,
            "UPDATE chunks SET state = 'ready' WHERE state = 'waiting' AND id IN (SELECT c.id FROM chunks c"
            " JOIN broadcasts b ON b.id = c.broadcast_id WHERE c.state = 'waiting' AND c.organization_id = :organization_id"
            " AND c.carrier_id = :carrier_id AND c.lane = :lane AND c.opens_at <= :now AND b.state = 'accepted'"
            " ORDER BY c.id LIMIT :n) RETURNING id",
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
