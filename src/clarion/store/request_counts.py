"""How many requests were admitted lately, where several processes answer HTTP: a row for each counter and piece of its span.

A span is cut into STEPS pieces, and a request is counted in the piece that it falls into. A window of one span touches STEPS + 1 of them:
if these together never hold more than the limit, no window does. The price is that a slot comes free up to one piece later than it could.
"""

from typing import NamedTuple

from sqlalchemy import Connection

from clarion.store import rows
from clarion.store.interface import interactive
from clarion.store.owners import engine_now

STEPS = 60
"""Pieces of a span: a second of a minute, a quarter of a minute of 15 minutes."""

SPAN_MAX_MICROS = 3_600 * 1_000_000
"""The longest that a counter may have. What is twice as old is forgotten."""

SLICE = 500


class Counted(NamedTuple):
    """`remaining` more would be admitted now. `free_in_micros` is the time until the next slot, 0 if this request got one."""

    allowed: bool
    remaining: int
    free_in_micros: int


@interactive
def count(connection: Connection, organization_id: int, counter: str, limit: int, span_micros: int, now: int | None = None) -> Counted:
    """Count one request, or say how long to wait; a refused request takes no slot.

    `now` is the time of the database's own machine, so that the clocks of the processes need not agree. ValueError for a span that is
    longer than what is remembered.
    """
    if not STEPS <= span_micros <= SPAN_MAX_MICROS:
        message = f"a span has from {STEPS} to {SPAN_MAX_MICROS} microseconds, not {span_micros}"
        raise ValueError(message)
    _alone(connection, organization_id, counter)
    now = engine_now(connection) if now is None else now
    step = span_micros // STEPS
    piece = now - now % step
    found = rows.all(
        connection,
        # A clock that was set back has left pieces of the future behind: they count, unless they are beyond any reason.
        "SELECT span, requests FROM request_counts WHERE organization_id = :organization_id AND counter = :counter"
        " AND span >= :oldest AND span <= :latest ORDER BY span",
        organization_id=organization_id,
        counter=counter,
        oldest=piece - STEPS * step,
        latest=piece + span_micros,
    )
    admitted = sum(requests for _, requests in found)
    if admitted >= limit:
        return Counted(allowed=False, remaining=0, free_in_micros=_free_at(found, admitted - limit, step) - now)
    rows.all(
        connection,
        "INSERT INTO request_counts (organization_id, counter, span, requests) VALUES (:organization_id, :counter, :span, 1)"
        " ON CONFLICT (organization_id, counter, span) DO UPDATE SET requests = request_counts.requests + 1",
        organization_id=organization_id,
        counter=counter,
        span=piece,
    )
    return Counted(allowed=True, remaining=limit - admitted - 1, free_in_micros=0)


def forget(connection: Connection) -> int:
    """Remove a slice of what no window reaches any more; how many rows that was."""
    now = engine_now(connection)
    found = rows.all(
        connection,
        "DELETE FROM request_counts WHERE (organization_id, counter, span) IN (SELECT organization_id, counter, span FROM request_counts"
        " WHERE span < :oldest OR span > :latest LIMIT :limit) RETURNING span",
        oldest=now - 2 * SPAN_MAX_MICROS,
        latest=now + 2 * SPAN_MAX_MICROS,
        limit=SLICE,
    )
    return len(found)


def _alone(connection: Connection, organization_id: int, counter: str) -> None:
    """Nobody else counts here until the transaction ends; SQLite's writer is alone anyway.

    Its commit does not wait for the disk: what a crash of the database could lose is a fraction of a second of counting.
    """
    if connection.dialect.name != "sqlite":
        rows.all(
            connection,
            "SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock(hashtextextended(:counter, :organization_id))",
            counter=counter,
            organization_id=organization_id,
        )


def _free_at(found: list[tuple[int, int]], over: int, step: int) -> int:
    """When so many pieces have left that fewer than the limit remain; `over`: how many are above the limit already."""
    for span, requests in found:
        over -= requests
        if over < 0:
            return span + (STEPS + 1) * step
    raise AssertionError("more was admitted than is there")
