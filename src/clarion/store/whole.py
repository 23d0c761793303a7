"""Accepting a small broadcast whole: in one transaction, and on PostgreSQL, where it is ordinary, in one statement.

Somebody waits for it beside a busy event loop, which each round trip to PostgreSQL meets again: by the functions that both engines share
it takes a dozen of them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.store import rows
from clarion.store.broadcasts import MESSAGE_COLUMNS, ChunkDraft, Draft, Reserved, Terms, first_state, opted_out, publish, reserve
from clarion.store.interface import interactive
from clarion.store.money import KINDS


class Built(NamedTuple):
    """The rows of a small broadcast, once its ids are known. `rejects` are (position, recipient as sent, reason)."""

    records: Sequence[tuple[object, ...]]
    chunks: Sequence[ChunkDraft]
    rejects: Sequence[tuple[int, str, str]]


@interactive
def accept_whole(
    connection: Connection,
    draft: Draft,
    recipients: Sequence[int],
    totals: Sequence[int],
    terms: Terms,
    build: Callable[[Reserved], Built],
) -> Reserved | set[int]:
    """Reserve, store and publish in one transaction, or say which recipients have opted out: then nothing was written.

    `totals` are the running sums of the prices. `build` is pure: it may be called again. Raises `Shortfall`.
    """
    if connection.dialect.name == "postgresql" and totals:
        at_once = _accept_at_once(connection, draft, totals[-1], terms, build(Reserved(0, 0, len(totals), 0)))
        if at_once is not None:
            return at_once
    unwanted = opted_out(connection, draft.organization_id, recipients)
    if unwanted:
        return unwanted
    reserved = reserve(connection, draft, totals, terms)
    built = build(reserved)
    rows.copy(connection, "messages", MESSAGE_COLUMNS, built.records)
    publish(connection, reserved.broadcast_id, draft, built.chunks, built.rejects)
    return reserved


_PLACED = {
    "place": "bigint",
    "recipient": "bigint",
    "text": "text",
    "encoding": "text",
    "segments": "smallint",
    "price_milli": "bigint",
    "carrier_id": "bigint",
    "chunk": "bigint",
}
"""A message by its place among those of its broadcast, from 0, and the place with which its chunk begins."""

_FROM, _TO = KINDS["reserve"]

_WANTED = "NOT EXISTS (SELECT 1 FROM v JOIN suppressions s ON s.recipient = v.recipient WHERE s.organization_id = :organization_id)"

_PAID = (
    "UPDATE wallets SET available_milli = available_milli - :amount_milli WHERE organization_id = :organization_id"
    f" AND available_milli + :limit_milli >= :amount_milli AND {_WANTED} RETURNING available_milli"
)
_FREE = f"SELECT 0 AS available_milli WHERE {_WANTED}"

_BEGUN = (
    " numbered AS (UPDATE sequences SET value = value + :n WHERE name = 'message' AND EXISTS (SELECT 1 FROM paid)"
    " RETURNING value - :n + 1 AS first_id),"
    " begun AS (INSERT INTO broadcasts (public_id, organization_id, campaign_id, face, lane, state, sender, text, first_id, last_id,"
    " open_chunks, not_before, expires_at, created_at, touched_at, name, refunds_failed, pace, request_id, failover_undelivered)"
    " SELECT :public_id, :organization_id, CAST(:campaign_id AS bigint), :face, :lane, 'accepted', CAST(:sender AS text), :text, first_id,"
    " first_id + :n - 1, :chunks, CAST(:not_before AS bigint), CAST(:expires_at AS bigint), :now, :now,"
    " CAST(:name AS text), :refunds_failed, CAST(:pace AS int), CAST(:request_id AS text), :failover_undelivered FROM numbered"
    " RETURNING id, first_id)"
)

_HELD = (
    " held AS (INSERT INTO holds (broadcast_id, amount_milli, charged_milli, released_milli) SELECT id, :amount_milli, 0, 0 FROM begun),"
    " entry AS (INSERT INTO ledger (organization_id, broadcast_id, kind, created_at) SELECT :organization_id, id, 'reserve', :now"
    " FROM begun WHERE :amount_milli <> 0 RETURNING id),"
    " lines AS (INSERT INTO ledger_lines (ledger_id, account, amount_milli) SELECT id, account, sign * :amount_milli"
    f" FROM entry CROSS JOIN (VALUES ('{_FROM}', -1), ('{_TO}', 1)) side(account, sign))"
)

_LAID = (
    " stored AS (INSERT INTO messages (id, broadcast_id, organization_id, recipient, sender, text, encoding, segments, price_milli)"
    " SELECT first_id + place, id, :organization_id, recipient, CAST(:sender AS text), text, encoding, segments, price_milli"
    " FROM begun, v),"
    " laid AS (INSERT INTO chunks (id, broadcast_id, organization_id, carrier_id, lane, marked_id, last_id, opens_at, state, open_id)"
    " SELECT first_id + chunk, id, :organization_id, carrier_id, :lane, first_id + chunk - 1, first_id + max(place),"
    " coalesce(CAST(:not_before AS bigint), :now), :state, CASE WHEN CAST(:pace AS int) IS NOT NULL THEN first_id + chunk - 1 END"
    " FROM begun, v GROUP BY first_id, id, carrier_id, chunk)"
)

_DONE = " SELECT id, first_id, available_milli FROM begun, paid"

_BILLED = f"WITH paid AS ({_PAID}),{_BEGUN},{_HELD},{_LAID}{_DONE}"
_UNBILLED = f"WITH paid AS ({_FREE}),{_BEGUN},{_LAID}{_DONE}"


def _accept_at_once(connection: Connection, draft: Draft, amount_milli: int, terms: Terms, built: Built) -> Reserved | None:
    """Nobody has opted out, nobody was rejected, and all is paid; else None, and nothing was written. `built` counts ids from 0."""
    if built.rejects:
        return None
    placed = [
        (place, recipient, *rest, chunk.carrier_id, chunk.first_id)
        for chunk in built.chunks
        for place, _, _, recipient, _, *rest in built.records[chunk.first_id : chunk.last_id + 1]
    ]
    statement, money = _UNBILLED, {}
    if terms.limit_milli is not None:
        statement, money = _BILLED, {"limit_milli": terms.limit_milli, "amount_milli": amount_milli}
    found = rows.execute(
        connection,
        statement,
        v=(_PLACED, placed),
        n=len(placed),
        chunks=len(built.chunks),
        state=first_state(draft),
        **money,
        **draft._asdict(),
    )
    for broadcast_id, first_id, available_milli in found:
        return Reserved(broadcast_id, first_id, len(placed), available_milli)
    return None
