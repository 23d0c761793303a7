"""Messages across broadcasts, the newest first: by number, state, sender, broadcast and time.

A page that only states narrow is found by the chunks' counters; one for numbers by their index; the rest is looked through.
"""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from clarion.core.states import COUNTED, State
from clarion.store import rows

DIGITS_MAX = 15
"""Of a number in E.164."""


class Wanted(NamedTuple):
    """What to list. None: whatever it is. `numbers` are ranges of E.164 digits, `ending` digits that a number ends in; either is enough.

    `states` are ours (`marked` also for a first attempt on its way), `since` and `until` microseconds of the accept.
    """

    organization_id: int | None = None
    broadcast_id: int | None = None
    states: frozenset[str] | None = None
    numbers: tuple[tuple[int, int], ...] | None = None
    ending: str | None = None
    sender: str | None = None
    since: int | None = None
    until: int | None = None
    faces: tuple[str, ...] | None = None
    not_faces: tuple[str, ...] | None = None


class Listed(NamedTuple):
    """A message in a list; `broadcast` and `offset` make its public id."""

    message_id: int
    broadcast: UUID
    offset: int
    organization_id: int
    recipient: int
    sender: str | None
    text: str
    segments: int
    price_milli: int
    state: str
    reason: str | None
    face: str
    not_before: int | None
    created_at: int
    updated_at: int


_STATE = "coalesce(d.state, CASE WHEN m.id <= c.marked_id THEN 'marked' ELSE 'waiting' END)"
_FROM = (
    " FROM messages m JOIN broadcasts b ON b.id = m.broadcast_id LEFT JOIN deliveries d ON d.message_id = m.id"
    " JOIN chunks c ON c.id = (SELECT max(k.id) FROM chunks k WHERE k.id <= m.id)"
)
_SELECT = (
    "SELECT m.id, b.public_id, m.id - b.first_id + 1, m.organization_id, m.recipient, m.sender, coalesce(m.text, b.text), m.segments,"
    f" m.price_milli, {_STATE}, d.reason, b.face, b.not_before, b.created_at, coalesce(d.updated_at, b.created_at){_FROM}"
)


def newest(connection: Connection, wanted: Wanted, before_id: int | None, limit: int) -> list[Listed]:
    """A page by key: the last message id of a page is the next one's `before_id`."""
    conditions, scalars = _conditions(connection, wanted)
    if before_id is not None:
        conditions.append("m.id < :before_id")
        scalars["before_id"] = before_id
    return _read(connection, conditions, scalars, "LIMIT :limit", limit=limit)


def page(connection: Connection, wanted: Wanted, offset: int, limit: int) -> tuple[list[Listed], int]:
    """The messages from the `offset`-th on, and how many there are in all."""
    if wanted.numbers is None and wanted.ending is None and wanted.sender is None:
        return _page_by_counters(connection, wanted, offset, limit)
    conditions, scalars = _conditions(connection, wanted)
    total = rows.one(connection, f"SELECT count(*){_FROM} WHERE {' AND '.join(conditions)}", **scalars)[0]
    found = _read(connection, conditions, scalars, "LIMIT :limit OFFSET :skip", limit=limit, skip=offset) if offset < total else []
    return found, int(total)


def numbers_beginning(digits: str) -> tuple[tuple[int, int], ...]:
    """The ranges of numbers that begin with these digits."""
    number = int(digits)
    return tuple((number * 10**more, (number + 1) * 10**more - 1) for more in range(DIGITS_MAX - len(digits) + 1))


_EVERY = " + ".join(f"c.{state}_count" for state in COUNTED)


def _page_by_counters(connection: Connection, wanted: Wanted, offset: int, limit: int) -> tuple[list[Listed], int]:
    """Whole chunks are skipped by their counters."""
    conditions, scalars = _of_broadcasts(wanted)
    counted = (
        f"WITH counted AS (SELECT c.id, {_count(wanted.states)} AS n FROM broadcasts b JOIN chunks c ON c.broadcast_id = b.id"
        f" WHERE {' AND '.join(conditions)}), running AS (SELECT id, n, sum(n) OVER (ORDER BY id DESC) AS upto FROM counted)"
    )
    total = int(rows.one(connection, f"{counted} SELECT coalesce(max(upto), 0) FROM running", **scalars)[0])
    chunks = rows.all(
        connection,
        f"{counted} SELECT id, upto - n FROM running WHERE n > 0 AND upto > :skip AND upto - n < :skip + :limit ORDER BY id DESC",
        skip=offset,
        limit=limit,
        **scalars,
    )
    found: list[Listed] = []
    for chunk_id, before in chunks:
        inside: list[str] = ["c.id = :chunk_id", "m.id >= :chunk_id", "m.id <= (SELECT last_id FROM chunks WHERE id = :chunk_id)"]
        if wanted.states is not None:
            inside.append(_in_states(wanted.states))
        skip = max(offset - int(before), 0)
        found += _read(connection, inside, {"chunk_id": chunk_id}, "LIMIT :limit OFFSET :skip", limit=limit - len(found), skip=skip)
    return found, total


def _count(states: frozenset[str] | None) -> str:
    if states is None:
        return "c.last_id - c.id + 1"
    counted = [f"c.{state}_count" for state in COUNTED if state in states]
    if State.WAITING in states:
        counted.append("c.last_id - c.marked_id")
    if State.MARKED in states:
        counted.append(f"(c.marked_id - c.id + 1) - ({_EVERY})")
    return " + ".join(counted) or "0"


def _conditions(connection: Connection, wanted: Wanted) -> tuple[list[str], dict[str, Any]]:
    conditions, scalars = _of_broadcasts(wanted)
    if wanted.organization_id is not None:
        conditions.append("m.organization_id = :organization_id")
    if wanted.since is not None:
        # The ids of messages grow with the time of their accept: what is older is not even looked at.
        first = rows.one(connection, "SELECT min(first_id) FROM broadcasts WHERE created_at >= :since", since=wanted.since)[0]
        conditions.append("m.id >= :first_id")
        scalars["first_id"] = first if first is not None else 1 << 62
    if wanted.broadcast_id is not None:
        conditions.append("m.id BETWEEN (SELECT first_id FROM broadcasts WHERE id = :broadcast_id)")
        conditions[-1] += " AND (SELECT last_id FROM broadcasts WHERE id = :broadcast_id)"
    if wanted.states is not None:
        conditions.append(_in_states(wanted.states))
    if wanted.sender is not None:
        conditions.append("lower(m.sender) = :sender")
        scalars["sender"] = wanted.sender.lower()
    numbers = [f"m.recipient BETWEEN {int(low)} AND {int(high)}" for low, high in wanted.numbers or ()]
    if wanted.ending is not None:
        numbers.append(f"m.recipient % {10 ** len(wanted.ending)} = {int(wanted.ending)}")
    if wanted.numbers is not None or wanted.ending is not None:
        conditions.append(f"({' OR '.join(numbers) or 'false'})")
    return conditions, scalars


def _of_broadcasts(wanted: Wanted) -> tuple[list[str], dict[str, Any]]:
    conditions, scalars = ["b.state <> 'accepting'"], {}
    for name, column in (("organization_id", "organization_id"), ("broadcast_id", "id")):
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(f"b.{column} = :{name}")
            scalars[name] = value
    if wanted.since is not None:
        conditions.append("b.created_at >= :since")
        scalars["since"] = wanted.since
    if wanted.until is not None:
        conditions.append("b.created_at < :until")
        scalars["until"] = wanted.until
    for words, faces in (("IN", wanted.faces), ("NOT IN", wanted.not_faces)):
        if faces is not None:
            names = [f"face_{number}" for number in range(len(faces))]
            conditions.append(f"b.face {words} ({', '.join(f':{name}' for name in names)})")
            scalars.update(zip(names, faces, strict=True))
    return conditions, scalars


def _in_states(states: frozenset[str]) -> str:
    return f"{_STATE} IN ({', '.join(repr(str(State(state))) for state in sorted(states))})"


def _read(connection: Connection, conditions: list[str], scalars: dict[str, Any], tail: str, **more: int) -> list[Listed]:
    found = rows.all(connection, f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY m.id DESC {tail}", **scalars, **more)
    return [Listed(row[0], row[1] if isinstance(row[1], UUID) else UUID(row[1]), *row[2:]) for row in found]
