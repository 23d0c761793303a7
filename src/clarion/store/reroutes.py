"""What waits for a carrier that cannot take it goes on by another route; what was marked is left to its answer, and no price changes.

A chunk goes whole where the same carriers take all of it, else message by message.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.carrier_url import only_receives
from clarion.core.layout import CHUNK_MESSAGES_MAX
from clarion.core.routes import Health
from clarion.core.states import State
from clarion.store import failover, parts, rows
from clarion.store.catalog import SIMULATOR, Catalog
from clarion.store.deliveries import record
from clarion.store.facts import fact_of

SLICE = 500


class Source(NamedTuple):
    """A carrier that takes nothing. `gone`: for good, so that what has no other route is refused; else that goes on waiting.

    One that is being `probed` keeps its chunks, the few messages that it is probed with, but not what it has turned away.
    """

    carrier_id: int
    gone: bool
    simulated: bool
    reason: str
    probed: bool = False


class Place(NamedTuple):
    """How far a carrier's chunks and retries were looked through."""

    chunk_id: int = 0
    due_at: int = -1
    message_id: int = 0


class _Waiting(NamedTuple):
    message_id: int
    chunk_id: int
    broadcast_id: int
    organization_id: int
    price_milli: int
    attempt: int
    recipient: int
    sender: str | None


def sources(connection: Connection, catalog: Catalog) -> list[Source]:
    """The carriers that something waits for and that cannot take it: removed, only receiving now, or out where another one is well."""
    found = [
        Source(carrier_id, True, kind == SIMULATOR, "the carrier was removed")
        for carrier_id, kind in rows.all(connection, "SELECT id, kind FROM carriers WHERE state = 'removed' ORDER BY id")
        if carrier_id not in catalog.carriers
    ]
    for carrier in catalog.carriers.values():
        if only_receives(carrier.url):
            found.append(Source(carrier.id, True, carrier.kind == SIMULATOR, "the carrier only receives"))
        elif carrier.kind != SIMULATOR and (carrier.health is Health.PROBING or catalog.bypassed(carrier.id)):
            found.append(Source(carrier.id, False, False, "the carrier was out", carrier.health is Health.PROBING))
    return [source for source in found if rows.all(connection, _ANYTHING, carrier_id=source.carrier_id)]


_ANYTHING = (
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM chunks WHERE carrier_id = :carrier_id AND state IN ('waiting', 'ready', 'claimed'))"
    " OR EXISTS (SELECT 1 FROM deliveries WHERE carrier_id = :carrier_id AND state = 'retry' AND due_at IS NOT NULL)"
)


def reroute(connection: Connection, catalog: Catalog, source: Source, after: Place, now: int) -> tuple[int, Place | None]:
    """Look at the next chunk, or the next retries, behind `after`; how many messages were moved, and how far this came: None is the end.

    What the built-in simulator had is never put on a real carrier: whoever sent it was trying Clarion out.
    """
    chunk = None if source.probed else _next_chunk(connection, source, after.chunk_id, now)
    if chunk is not None:
        chunk_id, marked_id, open_id, last_id, state = chunk
        waiting = _unmarked(connection, chunk_id, marked_id, last_id)
        # A chunk that a bind holds cannot be given to another carrier; what is not marked in it can.
        whole = _common(catalog, source, waiting) if state != "claimed" else None
        if whole:
            _hand_over(connection, source, chunk_id, marked_id, whole[chunk_id // CHUNK_MESSAGES_MAX % len(whole)])
            return len(waiting), after._replace(chunk_id=chunk_id)
        opened = [message for message in waiting if message.message_id <= open_id]
        return _scatter(connection, catalog, source, opened, now, chunk_id, open_id), after._replace(chunk_id=chunk_id)
    retries = _next_retries(connection, source, after)
    if not retries:
        return 0, None
    last_due_at, last = retries[-1]
    return _scatter(connection, catalog, source, [message for _, message in retries], now), after._replace(
        due_at=last_due_at, message_id=last.message_id
    )


def _next_chunk(connection: Connection, source: Source, after: int, now: int) -> tuple[int, int, int, int, str] | None:
    """Locked. What only begins later stays where it is: its carrier may be well by then. Of a removed one everything goes."""
    condition = (
        "c.state IN ('waiting', 'ready')"
        if source.gone
        else (
            "(c.state IN ('waiting', 'ready') OR c.state = 'claimed' AND c.marked_id < coalesce(c.open_id, c.last_id))"
            " AND b.state = 'accepted' AND c.opens_at <= :now"
        )
    )
    scalars = {} if source.gone else {"now": now}
    found: tuple[int, int, int, int, str] | None = rows.one(
        connection,
        "SELECT c.id, c.marked_id, coalesce(c.open_id, c.last_id), c.last_id, c.state FROM chunks c JOIN broadcasts b"
        f" ON b.id = c.broadcast_id WHERE c.carrier_id = :carrier_id AND c.id > :after AND c.marked_id < c.last_id AND {condition}"
        f" ORDER BY c.id LIMIT 1{rows.for_update(connection, 'c', skip_locked=True)}",
        carrier_id=source.carrier_id,
        after=after,
        **scalars,
    )
    return found


def _unmarked(connection: Connection, chunk_id: int, marked_id: int, last_id: int) -> list[_Waiting]:
    return [
        _Waiting(*row)
        for row in rows.all(
            connection,
            "SELECT m.id, :chunk_id, m.broadcast_id, m.organization_id, m.price_milli, 1, m.recipient, m.sender FROM messages m"
            " LEFT JOIN deliveries d ON d.message_id = m.id WHERE m.id > :marked_id AND m.id <= :last_id AND d.message_id IS NULL"
            " ORDER BY m.id",
            chunk_id=chunk_id,
            marked_id=marked_id,
            last_id=last_id,
        )
    ]


def _targets(catalog: Catalog, source: Source, message: _Waiting) -> tuple[int, ...]:
    """The round of carriers that may take it. From one that is out only to those that are well: what it has waits as well there."""
    if source.simulated:
        return ()
    shares = catalog.shares(message.recipient, message.sender)
    if source.gone:
        return tuple(carrier_id for carrier_id in shares if not catalog.simulated(carrier_id))
    return tuple(carrier_id for carrier_id in shares if catalog.carriers[carrier_id].health is Health.WELL)


def _common(catalog: Catalog, source: Source, waiting: Sequence[_Waiting]) -> tuple[int, ...]:
    """The round, if it is one for all of these; else ()."""
    rounds = {_targets(catalog, source, message) for message in waiting}
    return rounds.pop() if len(rounds) == 1 else ()


def _hand_over(connection: Connection, source: Source, chunk_id: int, marked_id: int, carrier_id: int) -> None:
    """To plan, which opens it anew: a bind of the old carrier that has looked at it as ready marks nothing in it any more."""
    rows.all(
        connection,
        "UPDATE chunks SET carrier_id = :carrier_id, state = 'waiting', bind_id = NULL, fence = NULL WHERE id = :id"
        " AND carrier_id = :before AND marked_id = :marked_id AND state IN ('waiting', 'ready')",
        carrier_id=carrier_id,
        id=chunk_id,
        before=source.carrier_id,
        marked_id=marked_id,
    )


def _scatter(
    connection: Connection,
    catalog: Catalog,
    source: Source,
    waiting: Sequence[_Waiting],
    now: int,
    chunk_id: int = 0,
    open_id: int = 0,
) -> int:
    """Make each a retry on its own next carrier, or refuse it where the carrier is gone and there is none; returns how many were moved.

    Of a chunk (`chunk_id`) all that is open becomes retries, or nothing: a mark is one number. Of a paced broadcast no more than its pace
    has opened: what becomes a retry goes out as it comes.
    """
    facts = []
    # Of a retry: who has had it, and whether a part of it was taken, by which it belongs to the carrier that is gone.
    tried = {} if chunk_id else failover.tried(connection, [message.message_id for message in waiting])
    begun = {} if chunk_id else parts.begun(connection, source.carrier_id, {message.message_id: message.attempt for message in waiting})
    for message in waiting:
        if message.message_id in begun:
            facts.append(fact_of(message, State.REFUSED, None, reason=failover.TAKES_NO_MORE))
            continue
        targets = _targets(catalog, source, message)
        if message.message_id in tried:
            targets = _untried(catalog, source, message, targets, tried[message.message_id])
        target = targets[message.message_id % len(targets)] if targets else None
        if target is None and not source.gone:
            if chunk_id:
                facts.append(fact_of(message, State.RETRY, source.carrier_id, reason=source.reason, due_at=now))
        elif target is None:
            facts.append(fact_of(message, State.REFUSED, None, reason="no_route"))
        else:
            facts.append(fact_of(message, State.RETRY, target, reason=source.reason, due_at=now))
    moved = sum(fact.carrier_id != source.carrier_id for fact in facts)
    if not moved:
        return 0
    if chunk_id:
        _pass_to(connection, chunk_id, open_id)
    record(connection, facts, now)
    return moved


def _untried(catalog: Catalog, source: Source, message: _Waiting, targets: Sequence[int], tried: set[int]) -> tuple[int, ...]:
    """Those of the round that have not had it; where the carrier is gone, then the first of the others that has not."""
    left = tuple(carrier_id for carrier_id in targets if carrier_id not in tried)
    if left or not source.gone or source.simulated:
        return left
    every = catalog.carriers_for(message.recipient, message.sender)
    return tuple(carrier_id for carrier_id in every if carrier_id not in tried and not catalog.simulated(carrier_id))[:1]


def _pass_to(connection: Connection, chunk_id: int, open_id: int) -> None:
    """Everything up to `open_id` has a row now. A bind that holds the chunk goes on holding it: settling the last message ends it."""
    rows.all(
        connection,
        "UPDATE chunks SET marked_id = :open_id,"
        " state = CASE WHEN state = 'claimed' THEN state WHEN :open_id < last_id THEN 'waiting' ELSE 'claimed' END WHERE id = :id",
        open_id=open_id,
        id=chunk_id,
    )


def _next_retries(connection: Connection, source: Source, after: Place) -> list[tuple[int, _Waiting]]:
    """Whether due or not: what they were to wait for was this carrier.

    Unless it is gone, without those of which a part was taken: the rest of it belongs to the same carrier (section 3 of the design).
    """
    taken = " AND NOT EXISTS (SELECT 1 FROM parts p WHERE p.message_id = d.message_id AND p.state IN ('sent', 'unknown', 'delivered'))"
    return [
        (row[0], _Waiting(*row[1:]))
        for row in rows.all(
            connection,
            "SELECT d.due_at, d.message_id, d.chunk_id, m.broadcast_id, m.organization_id, m.price_milli, d.attempt, m.recipient, m.sender"
            " FROM deliveries d JOIN messages m ON m.id = d.message_id"
            " WHERE d.state = 'retry' AND d.due_at IS NOT NULL AND d.carrier_id = :carrier_id"
            f" AND (d.due_at, d.message_id) > (:due_at, :message_id){'' if source.gone else taken}"
            f" ORDER BY d.due_at, d.message_id LIMIT :limit{rows.for_update(connection, 'd', skip_locked=True)}",
            carrier_id=source.carrier_id,
            due_at=after.due_at,
            message_id=after.message_id,
            limit=SLICE,
        )
    ]
