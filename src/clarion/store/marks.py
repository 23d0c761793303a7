"""Marking: what allows a message's bytes to be given to the wire, once (law 2 and section 2 of the design).

The mark is one number: `chunks.marked_id` moves past messages, and is committed. Every function that moves it holds the bind's row and
checks its fence, so that a worker that was taken for dead can mark nothing more.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct
from sqlalchemy import Connection

from clarion.core.states import RANK, State
from clarion.core.submission import Submission
from clarion.store import rows
from clarion.store.deliveries import record, settle
from clarion.store.facts import Fact, fact_of
from clarion.store.interface import interactive
from clarion.store.parts import Begun, begun

CANDIDATES_MAX = 64
"""Ready chunks that a claim looks at, the first of each organization before the second of any."""

QUICK_CHUNKS_MAX = 500
"""Chunks of lanes 0 and 1 that are looked through for due retries; those beyond them go as bulk's do."""

TURN_MESSAGES = 100
"""What an organization may mark before the others of its lane are asked again."""


class Marked(Submission, frozen=True, gc=False, array_like=True):
    """A message that may be given to the wire, once. It goes as it is, but for a text of several segments, which dispatch cuts."""

    chunk_id: int
    broadcast_id: int
    organization_id: int
    lane: int
    segments: int
    price_milli: int


class Taken(NamedTuple):
    """What a mark gave. `fenced`: the bind belongs to somebody else. `exhausted`: a chunk was marked to its end, others may be opened.

    `more`: what is open has, or may have, more in it than was marked. `begun` are messages, by id, of which this carrier has parts
    already.
    """

    messages: list[Marked]
    fenced: bool = False
    exhausted: bool = False
    more: bool = False
    begun: Mapping[int, Begun] = MappingProxyType({})


class _Candidate(Struct, frozen=True, gc=False, array_like=True):
    kind: str  # own ready; retry: there are due ones, of lane 0 if any of them may be of lane 0 or 1; bind: it is ours
    chunk_id: int
    broadcast_id: int
    organization_id: int
    lane: int
    marked_id: int
    open_id: int
    last_id: int
    expires_at: int | None
    started_at: int | None


_QUICK = "FROM chunks WHERE state = 'claimed' AND lane < 2 AND retry_count > 0"
"""What was marked to its end stays claimed while something of it is to be tried again."""

_LOOK = (
    "WITH held AS (SELECT 1 FROM binds WHERE id = :bind_id AND fence = :fence{lock}), ready AS (SELECT c.id, c.broadcast_id,"
    " c.organization_id, c.lane, c.marked_id, c.open_id, c.last_id, b.expires_at, b.started_at FROM (SELECT id, broadcast_id,"
    " organization_id, lane, marked_id, coalesce(open_id, last_id) AS open_id, last_id,"
    " row_number() OVER (PARTITION BY lane, organization_id ORDER BY id) AS place"
    " FROM chunks WHERE state = 'ready' AND carrier_id = :carrier_id AND marked_id < coalesce(open_id, last_id)) c"
    " JOIN broadcasts b ON b.id = c.broadcast_id WHERE b.state = 'accepted' ORDER BY c.lane, c.place, c.id LIMIT :candidates)"
    " SELECT 'own', c.id, c.broadcast_id, c.organization_id, c.lane, c.marked_id, coalesce(c.open_id, c.last_id), c.last_id, b.expires_at,"
    " b.started_at FROM chunks c JOIN broadcasts b ON b.id = c.broadcast_id"
    " WHERE c.state = 'claimed' AND c.bind_id = :bind_id AND c.marked_id < coalesce(c.open_id, c.last_id) AND b.state = 'accepted'"
    " UNION ALL SELECT 'ready', ready.* FROM ready"
    " UNION ALL SELECT 'bind', 0, 0, 0, 0, 0, 0, 0, NULL, NULL FROM held"
    f" UNION ALL SELECT 'retry', 0, 0, 0, CASE WHEN EXISTS (SELECT 1 {_QUICK}) THEN 0 ELSE 2 END, 0, 0, 0, NULL, NULL"
    " WHERE EXISTS (SELECT 1 FROM deliveries"
    " WHERE state = 'retry' AND carrier_id = :carrier_id AND due_at <= :now)"
)
"""All that a mark has to know, in one statement: each costs the writer turns at the interpreter, and PostgreSQL a round trip."""

_MARK = (
    "UPDATE chunks SET marked_id = v.to_id, state = 'claimed', bind_id = :bind_id, fence = :fence FROM v"
    " WHERE chunks.id = v.id AND chunks.marked_id = v.from_id AND v.to_id <= coalesce(chunks.open_id, chunks.last_id)"
    " AND (chunks.state = 'ready' OR chunks.state = 'claimed' AND chunks.bind_id = :bind_id AND chunks.fence = :fence)"
    " RETURNING chunks.id, (SELECT b.text FROM broadcasts b WHERE b.id = chunks.broadcast_id)"
)
_MESSAGES = (
    "SELECT m.id, 1, coalesce(m.sender, ''), m.recipient, coalesce(m.text, v.text), m.encoding, 1, 1, 0, v.expires_at, v.id,"
    " m.broadcast_id, m.organization_id, v.lane, m.segments, m.price_milli FROM v CROSS JOIN messages m LEFT JOIN suppressions s"
    " ON s.organization_id = m.organization_id AND s.recipient = m.recipient"
    " WHERE m.id > v.from_id AND m.id <= v.to_id AND s.recipient IS NULL ORDER BY m.id"
)
_PASSED = (
    "SELECT m.id, v.id, m.broadcast_id, m.organization_id, m.price_milli, coalesce(s.reason, 'START') FROM v CROSS JOIN messages m"
    " LEFT JOIN suppressions s ON s.organization_id = m.organization_id AND s.recipient = m.recipient"
    " WHERE m.id > v.from_id AND m.id <= v.to_id"
)
_RANGE = {"id": "bigint", "from_id": "bigint", "to_id": "bigint"}
_MARKED = _RANGE | {"lane": "smallint", "expires_at": "bigint", "text": "text"}


def take(
    connection: Connection, bind_id: int, carrier_id: int, fence: int, room: int, bulk_room: int, in_flight: dict[int, int], now: int
) -> Taken:
    """Mark the next messages for a bind: by lane, the organization with least in flight on it, age; of a lane, due retries before new.

    `room` is how many more may be in doubt, `bulk_room` how many of lane 2; `in_flight` counts messages by organization. Messages that
    must not go out any more (opted out, expired) are passed over and settled here.
    """
    look = rows.read(
        connection,
        _Candidate,
        _LOOK.format(lock=rows.for_share(connection)),
        bind_id=bind_id,
        carrier_id=carrier_id,
        fence=fence,
        candidates=CANDIDATES_MAX,
        now=now,
    )
    kinds = Counter(candidate.kind for candidate in look)
    if not kinds["bind"]:
        return Taken([], fenced=True)
    candidates = [candidate for candidate in look if candidate.chunk_id]
    # Retries may be many, when a carrier was removed: single sends and replies go before them, as they go before other bulk.
    quick = sum(c.open_id - c.marked_id for c in candidates if c.lane < 2)
    retried: list[Marked] = []
    if any(candidate.kind == "retry" and candidate.lane < 2 for candidate in look):
        by_id = " NOT INDEXED" if connection.dialect.name == "sqlite" else ""
        retried = _mark_retries(connection, _QUICK_RETRIES.format(by_id=by_id), carrier_id, fence, room, now)
        room -= len(retried)
    retries_room = min(bulk_room, room - quick)
    others = _mark_retries(connection, _RETRIES, carrier_id, fence, retries_room, now) if kinds["retry"] else []
    room, bulk_room = room - len(others), bulk_room - len(others)
    retried += others
    long = {message.message_id: message.attempt for message in retried if message.segments > 1}
    parts = begun(connection, carrier_id, long) if long else {}
    ranges = _share(candidates, room, bulk_room, in_flight)
    # Where a query came back full, what it left out has not been looked at.
    full = (kinds["retry"] and len(others) == max(retries_room, 0)) or room == 0 or kinds["ready"] == CANDIDATES_MAX
    more = full or sum(c.open_id - c.marked_id for c in candidates) > sum(to_id - from_id for _, from_id, to_id in ranges)
    if not ranges:
        return Taken(retried, more=more, begun=parts)
    texts = dict(rows.execute(connection, _MARK, v=(_RANGE, sorted(ranges)), bind_id=bind_id, fence=fence))
    marked = [part for part in ranges if part[0] in texts]
    sources = {candidate.chunk_id: candidate for candidate in candidates}
    exhausted = any(to_id == sources[chunk_id].last_id for chunk_id, _, to_id in marked)
    return Taken(retried + _read(connection, marked, sources, texts, now), exhausted=exhausted, more=more, begun=parts)


@interactive
def take_first(
    connection: Connection, bind_id: int, carrier_id: int, fence: int, room: int, bulk_room: int, in_flight: dict[int, int], now: int
) -> Taken:
    """As `take`, before what nobody waits for."""
    return take(connection, bind_id, carrier_id, fence, room, bulk_room, in_flight, now)


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
        left = first.open_id - first.marked_id - done
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


def _read(
    connection: Connection,
    marked: Sequence[tuple[int, int, int]],
    sources: Mapping[int, _Candidate],
    texts: Mapping[int, str],
    now: int,
) -> list[Marked]:
    """The messages of the ranges that may go out; the others are settled."""
    _begin(connection, {sources[chunk_id].broadcast_id for chunk_id, _, _ in marked if sources[chunk_id].started_at is None}, now)
    live = [part for part in marked if (expires_at := sources[part[0]].expires_at) is None or expires_at > now]
    ranges = [(*part, sources[part[0]].lane, sources[part[0]].expires_at, texts[part[0]]) for part in live]
    going = rows.read(connection, Marked, _MESSAGES, v=(_MARKED, ranges))
    if len(going) < sum(to_id - from_id for _, from_id, to_id in marked):
        _pass_over(connection, marked, {message.message_id for message in going}, {part[0] for part in live}, now)
    return going


def _pass_over(connection: Connection, marked: Sequence[tuple[int, int, int]], going: set[int], live: set[int], now: int) -> None:
    """Settle what was marked and must not go out: expired, or else opted out, by somebody who may have opted in again just now."""
    passed: list[Fact] = []
    for message_id, chunk_id, broadcast_id, organization_id, price_milli, opt_out in rows.execute(connection, _PASSED, v=(_RANGE, marked)):
        if message_id not in going:
            state, reason = (State.SUPPRESSED, f"opted_out: {opt_out}") if chunk_id in live else (State.EXPIRED, "validity_over")
            passed.append(Fact(message_id, chunk_id, broadcast_id, organization_id, price_milli, 1, state, None, None, reason))
    record(connection, passed, now)


def _begin(connection: Connection, broadcasts: set[int], now: int) -> None:
    if broadcasts:
        rows.execute(
            connection,
            "UPDATE broadcasts SET started_at = :now FROM v WHERE broadcasts.id = v.id AND started_at IS NULL",
            v=({"id": "bigint"}, [(broadcast_id,) for broadcast_id in sorted(broadcasts)]),
            now=now,
        )


_OF_RETRIES = (
    "SELECT d.message_id, d.attempt, coalesce(m.sender, ''), m.recipient, coalesce(m.text, b.text), m.encoding, 1, 1, 0, b.expires_at,"
    " d.chunk_id, m.broadcast_id, m.organization_id, c.lane, m.segments, m.price_milli, s.reason"
    " FROM {source} JOIN messages m ON m.id = d.message_id"
    " JOIN broadcasts b ON b.id = m.broadcast_id LEFT JOIN suppressions s"
    " ON s.organization_id = m.organization_id AND s.recipient = m.recipient"
    " WHERE d.chunk_id = c.id AND d.state = 'retry' AND d.carrier_id = :carrier_id AND d.due_at <= :now AND b.state = 'accepted'{within}"
    " ORDER BY d.due_at LIMIT :room"
)
_RETRIES = _OF_RETRIES.format(source="deliveries d CROSS JOIN chunks c", within="")
# By the few chunks and their ranges of ids: among the due retries of a carrier there may be a hundred thousand of bulk.
_QUICK_RETRIES = _OF_RETRIES.format(
    source=f"(SELECT id, last_id, lane {_QUICK} LIMIT {QUICK_CHUNKS_MAX}) c CROSS JOIN deliveries d{{by_id}}",
    within=" AND d.message_id BETWEEN c.id AND c.last_id",
)
_MARK_RETRY = (
    f"UPDATE deliveries SET state = 'marked', rank = {RANK[State.MARKED]}, fence = :fence, updated_at = :now, doubt_at = :now FROM v"
    f" WHERE deliveries.message_id = v.id AND deliveries.attempt = v.attempt AND deliveries.rank = {RANK[State.RETRY]}"
    " RETURNING deliveries.message_id"
)


def _mark_retries(connection: Connection, text: str, carrier_id: int, fence: int, room: int, now: int) -> list[Marked]:
    """Retries are marked row by row: they are rare."""
    if room <= 0:
        return []
    # Locked, so that what a sweep or another bind is moving at this moment is neither passed over nor waited for.
    lock = rows.for_update(connection, "d", skip_locked=True)
    found = rows.all(connection, text + lock, carrier_id=carrier_id, now=now, room=room)
    if not found:
        return []
    due = {row[0]: (Marked(*row[:-1]), row[-1]) for row in found}
    passed = [
        fact_of(message, State.EXPIRED, None, reason="validity_over")
        if opt_out is None
        else fact_of(message, State.SUPPRESSED, None, reason=f"opted_out: {opt_out}")
        for message, opt_out in due.values()
        if opt_out is not None or (message.expires_at is not None and message.expires_at <= now)
    ]
    over = {fact.message_id for fact in passed}
    data = [(message_id, message.attempt) for message_id, (message, _) in due.items() if message_id not in over]
    marked = rows.execute(connection, _MARK_RETRY, v=({"id": "bigint", "attempt": "smallint"}, data), fence=fence, now=now) if data else []
    going = [due[message_id][0] for (message_id,) in marked]
    settle(
        connection,
        [(m.chunk_id, m.broadcast_id, m.organization_id, State.RETRY, State.MARKED, m.price_milli) for m in going],
        now,
    )
    if passed:
        record(connection, passed, now)
    return going
