"""A broadcast that is accepted slice by slice: begun, filled, and published or taken back by `broadcasts` (section 2 of the design).

Its ids are one range, taken at the beginning for as many messages as it can have at most; what it does not need of them is never used.
Until it is published its `last_id` is the last message that is stored.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.store import broadcasts, money, rows
from clarion.store.broadcasts import ChunkDraft, Draft

Reject = tuple[int, str, str]
"""Position, recipient as sent, reason."""


class Begun(NamedTuple):
    """A broadcast without messages so far; the first one gets `first_id`."""

    broadcast_id: int
    first_id: int


class Slice(NamedTuple):
    """Candidates for messages, `prices` parallel to their `numbers`; the first one that is stored gets `start_id`.

    `texts` and `positions` tell of those who turn out to be opted out.
    """

    numbers: Sequence[int]
    prices: Sequence[int]
    texts: Sequence[str]
    positions: Sequence[int]
    start_id: int


class Landed(NamedTuple):
    """What became of a slice, as indexes of its candidates: `kept` are stored, in this order, `unpaid` could not be paid.

    `known` have a message of this broadcast already. The amounts are those of the wallet before, and of what was moved into the hold.
    """

    kept: list[int]
    unwanted: list[int]
    known: list[int]
    unpaid: list[int]
    available_milli: int
    reserved_milli: int


class Unfinished(NamedTuple):
    """An import that has not ended, or whose process has: when it began, when its last slice was stored, and how many messages it has."""

    created_at: int
    touched_at: int
    messages: int


def unfinished(connection: Connection, organization_id: int, face: str) -> list[Unfinished]:
    """What an organization's imports have begun and neither published nor taken back."""
    found = rows.all(
        connection,
        "SELECT created_at, touched_at, last_id - first_id + 1 FROM broadcasts WHERE state = 'accepting' AND reason IS NULL"
        " AND organization_id = :organization_id AND face = :face ORDER BY id",
        organization_id=organization_id,
        face=face,
    )
    return [Unfinished(*row) for row in found]


def begin(connection: Connection, draft: Draft, messages_max: int, *, billed: bool) -> Begun:
    """The row, the range of ids and, for an organization that is billed, an empty hold. May be run again, as all of this file."""
    found = rows.one(connection, "SELECT id, first_id FROM broadcasts WHERE public_id = :public_id", public_id=draft.public_id)
    if found is not None:
        return Begun(*found)
    last = rows.all(connection, "UPDATE sequences SET value = value + :n WHERE name = 'message' RETURNING value", n=messages_max)[0][0]
    first_id = int(last) - messages_max + 1
    broadcast_id = broadcasts.insert(connection, draft, first_id, first_id - 1)
    if billed:
        money.hold(connection, draft.organization_id, broadcast_id, 0, draft.now)
    return Begun(broadcast_id, first_id)


def land(
    connection: Connection,
    begun: Begun,
    organization_id: int,
    piece: Slice,
    rejects: Sequence[Reject],
    limit_milli: int | None,
    build: Callable[[Sequence[int]], Sequence[tuple[object, ...]]],
    now: int,
) -> Landed:
    """Store the candidates that are neither opted out nor known, as far as the wallet pays; `build` makes the rows of those kept.

    Raises `Abandoned`.
    """
    broadcast_id, first_id = begun
    last_id = _last_id(connection, broadcast_id)
    stopped = broadcasts.opted_out(connection, organization_id, piece.numbers)
    known = _known(connection, piece.numbers, first_id, piece.start_id - 1)
    places = range(len(piece.numbers))
    wanted = [place for place in places if piece.numbers[place] not in stopped and piece.numbers[place] not in known]
    unwanted = [place for place in places if piece.numbers[place] in stopped and piece.numbers[place] not in known]
    is_stored = last_id >= piece.start_id
    totals = [0, *accumulate(piece.prices[place] for place in wanted)]
    paid, available = len(wanted), 0
    if limit_milli is not None:
        available = money.lock_available(connection, organization_id)
        paid = bisect_right(totals, available + limit_milli) - 1
    if is_stored:
        paid = last_id - piece.start_id + 1
        available += totals[paid] if limit_milli is not None else 0
    kept = wanted[: max(paid, 0)]
    landed = Landed(
        kept, unwanted, [place for place in places if piece.numbers[place] in known], wanted[len(kept) :], available, totals[len(kept)]
    )
    if is_stored:
        return landed
    rows.copy(connection, "messages", broadcasts.MESSAGE_COLUMNS, build(kept))
    _reject(connection, broadcast_id, [*rejects, *((piece.positions[place], piece.texts[place], "opted_out") for place in unwanted)])
    if limit_milli is not None and landed.reserved_milli:
        money.raise_hold(connection, organization_id, broadcast_id, landed.reserved_milli, now)
    broadcasts.touch(connection, "last_id = :last_id, touched_at = :now", broadcast_id, last_id=piece.start_id + len(kept) - 1, now=now)
    return landed


def finish(connection: Connection, begun: Begun, draft: Draft, chunks: Sequence[ChunkDraft], rejected: int) -> None:
    """Put it on the road. Raises `Abandoned`."""
    state, reason = rows.one(connection, "SELECT state, reason FROM broadcasts WHERE id = :id", id=begun.broadcast_id)
    if state == "accepting" or reason is not None:
        broadcasts.publish(connection, begun.broadcast_id, draft, chunks, [], rejected)


def forget(connection: Connection, begun: Begun) -> None:
    """Delete one that was taken back and never had a message: no entry of the ledger names it."""
    rows.all(connection, "DELETE FROM holds WHERE broadcast_id = :id", id=begun.broadcast_id)
    rows.all(connection, "DELETE FROM broadcasts WHERE id = :id AND state = 'cancelled'", id=begun.broadcast_id)


def _last_id(connection: Connection, broadcast_id: int) -> int:
    found = rows.one(connection, f"SELECT last_id FROM broadcasts WHERE id = :id{rows.for_update(connection)}", id=broadcast_id)
    return int(found[0])


def _known(connection: Connection, numbers: Sequence[int], first_id: int, before_id: int) -> set[int]:
    if before_id < first_id or not numbers:
        return set()
    found = rows.execute(
        connection,
        f"SELECT m.recipient FROM messages m WHERE m.recipient {rows.among(connection, 'recipient')}"
        " AND m.id BETWEEN :first_id AND :before_id",
        v=({"recipient": "bigint"}, [(number,) for number in numbers]),
        first_id=first_id,
        before_id=before_id,
    )
    return {number for (number,) in found}


def _reject(connection: Connection, broadcast_id: int, rejects: Sequence[Reject]) -> None:
    if rejects:
        rows.execute(
            connection,
            "INSERT INTO rejects (broadcast_id, position, recipient, reason)"
            " SELECT :broadcast_id, position, recipient, reason FROM v WHERE true ON CONFLICT (broadcast_id, position) DO NOTHING",
            v=({"position": "int", "recipient": "text", "reason": "text"}, rejects),
            broadcast_id=broadcast_id,
        )
