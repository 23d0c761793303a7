"""Paced broadcasts: their chunks are opened a few messages at a time, up to `chunks.open_id`, as `core.pace` allows.

What is open stays open whatever happens to the process, and is not opened twice: a restart neither bursts nor stalls, and several
servers share one pace. Chunks are locked before their broadcast, which is the order of `settle`.
"""

from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.pace import SAVED_MICROS, Allowance, allowance, spend
from clarion.store import owners, rows
from clarion.store.control import Controlled, NotPossible, carriers_of, look
from clarion.store.interface import interactive

CHUNKS_MAX = 8
"""Chunks of a broadcast and carrier that are looked at: where one bind is slow with what it has, others get the next chunk."""

CHUNK = 500


class _Chunk(NamedTuple):
    id: int
    carrier_id: int
    marked_id: int
    open_id: int
    last_id: int
    state: str

    @property
    def unused(self) -> int:
        """Messages that were opened and not marked."""
        return max(0, self.open_id - self.marked_id)


def open_due(connection: Connection, now: int) -> tuple[set[int], float | None]:
    """Open what paces allow at this moment. Returns the carriers to ring, and after how many seconds to look again, None without paces."""
    found = rows.all(connection, "SELECT id, pace, paced_until FROM broadcasts WHERE state = 'accepted' AND pace IS NOT NULL ORDER BY id")
    if not found:
        return set(), None
    carriers: set[int] = set()
    at = owners.engine_now(connection)
    next_at = []
    for broadcast_id, pace, paced_until in found:
        # Without a lock at first: nearly every look finds that it is too early.
        allowed = allowance(pace, paced_until, at, 0)
        if paced_until is not None and allowed.paid_until < paced_until:
            _forgive(connection, broadcast_id, paced_until, allowed.paid_until)
        if allowed.messages:
            rung, again_at = _open(connection, broadcast_id, allowed, now, at)
            carriers |= rung
            next_at.append(again_at)
        else:
            next_at.append(allowed.next_at)
    return carriers, max(0, min(next_at) - at) / 1_000_000


def _forgive(connection: Connection, broadcast_id: int, paced_until: int, paid_until: int) -> None:
    """Keep that less is owed than was: the pace was raised, or the clock set back."""
    rows.all(
        connection,
        "UPDATE broadcasts SET paced_until = :paid_until WHERE id = :id AND paced_until = :paced_until",
        paid_until=paid_until,
        id=broadcast_id,
        paced_until=paced_until,
    )


def _open(connection: Connection, broadcast_id: int, allowed: Allowance, now: int, at: int) -> tuple[set[int], int]:
    """Returns the carriers to ring and when to look again."""
    chunks = _look(connection, broadcast_id, CHUNKS_MAX + allowed.messages // CHUNK, now)
    paced = rows.one(
        connection,
        f"SELECT pace, paced_until FROM broadcasts WHERE id = :id AND state = 'accepted' AND pace IS NOT NULL{rows.for_update(connection)}",
        id=broadcast_id,
    )
    if paced is None:
        return set(), at + SAVED_MICROS
    pace, paced_until = paced
    allowed = allowance(pace, paced_until, at, sum(chunk.unused for chunk in chunks))
    opened = _deal(chunks, allowed.messages)
    closed = {chunk.id: chunk.open_id for chunk in chunks if chunk.unused and chunk.state == "waiting"}
    changed = closed | opened
    if changed:
        rows.execute(
            connection,
            "UPDATE chunks SET open_id = v.open_id, state = CASE state WHEN 'waiting' THEN 'ready' ELSE state END FROM v"
            " WHERE chunks.id = v.id",
            v=({"id": "bigint", "open_id": "bigint"}, sorted(changed.items())),
        )
    messages = sum(opened[chunk.id] - max(chunk.open_id, chunk.marked_id) for chunk in chunks if chunk.id in opened)
    if messages:
        rows.all(
            connection,
            "UPDATE broadcasts SET paced_until = :paced_until WHERE id = :id",
            paced_until=spend(pace, allowed.paid_until, messages),
            id=broadcast_id,
        )
    # Where nothing could be opened, because of a schedule or a carrier that takes nothing, there is no hurry.
    return {chunk.carrier_id for chunk in chunks if chunk.id in changed}, allowed.next_at if messages else at + SAVED_MICROS


def _look(connection: Connection, broadcast_id: int, places: int, now: int) -> list[_Chunk]:
    """The first chunks of each carrier that have something left to open, locked."""
    found = rows.all(
        connection,
        "SELECT id, carrier_id, marked_id, coalesce(open_id, marked_id), last_id, state FROM chunks WHERE id IN (SELECT id FROM"
        " (SELECT id, row_number() OVER (PARTITION BY carrier_id ORDER BY id) AS place FROM chunks WHERE broadcast_id = :broadcast_id"
        " AND state IN ('waiting', 'ready', 'claimed') AND marked_id < last_id AND opens_at <= :now) c WHERE place <= :places)"
        f" AND state IN ('waiting', 'ready', 'claimed') AND marked_id < last_id ORDER BY id{rows.for_update(connection)}",
        broadcast_id=broadcast_id,
        now=now,
        places=places,
    )
    return [_Chunk(*row) for row in found]


def _deal(chunks: list[_Chunk], messages: int) -> dict[int, int]:
    """Where so many more are opened: `open_id` by chunk. Carriers share them evenly; a chunk that was given some has to use them first."""
    left: dict[int, list[_Chunk]] = {}
    for chunk in chunks:
        if not chunk.unused:
            left.setdefault(chunk.carrier_id, []).append(chunk)
    opened: dict[int, int] = {}
    while messages > 0 and left:
        for behind, carrier_id in zip(range(len(left), 0, -1), list(left), strict=True):
            share = -(-messages // behind)
            chunk = left[carrier_id][0]
            done = opened.get(chunk.id, chunk.marked_id)
            turn = min(share, messages, chunk.last_id - done)
            if turn:
                opened[chunk.id] = done + turn
                messages -= turn
            if done + turn == chunk.last_id:
                left[carrier_id].pop(0)
                if not left[carrier_id]:
                    del left[carrier_id]
    return opened


@interactive
def set_pace(connection: Connection, broadcast_id: int, pace: int | None) -> Controlled:
    """Let at most so many messages a minute of a broadcast go from now on, or as many as can for None. Raises NotPossible.

    What a bind has in hand is not called back.
    """
    public_id, state = look(connection, broadcast_id)
    if state not in {"accepted", "paused"}:
        raise NotPossible(f"The broadcast {public_id} is {state}: it has no pace any more.")
    (before,) = rows.one(connection, "SELECT pace FROM broadcasts WHERE id = :id", id=broadcast_id)
    if before == pace:
        return Controlled(state, changed=False, carriers=[])
    if pace is None:
        # What was open stays so, and plan opens the rest in its turn.
        change = "open_id = NULL"
    else:
        change = (
            "open_id = CASE WHEN open_id > marked_id THEN open_id ELSE marked_id END,"
            " state = CASE WHEN state = 'ready' AND coalesce(open_id, marked_id) <= marked_id THEN 'waiting' ELSE state END"
        )
    rows.all(connection, f"UPDATE chunks SET {change} WHERE broadcast_id = :id AND marked_id < last_id", id=broadcast_id)
    rows.all(
        connection,
        "UPDATE broadcasts SET pace = CAST(:pace AS int) WHERE id = :id",
        pace=pace,
        id=broadcast_id,
    )
    return Controlled(state, changed=True, carriers=carriers_of(connection, broadcast_id))
