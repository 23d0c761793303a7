"""The ordinary road on PostgreSQL, a batch in one statement: each round trip costs both processes more than the rows that it moves.

What is not ordinary is left to the functions that both engines share, which run afterwards in the same transaction.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from clarion.core.states import RANK, State
from clarion.store import rows
from clarion.store.deliveries import ENDED, end_chunks
from clarion.store.marks import Marked
from clarion.store.money import KINDS

_FROM, _TO = KINDS["charge"]

_TAKE = (
    "WITH written AS (INSERT INTO deliveries (message_id, chunk_id, state, rank, attempt, carrier_id, carrier_reference, charged_milli,"
    f" sent_at, updated_at) SELECT message_id, chunk_id, 'sent', {RANK[State.SENT]}, 1, :carrier_id, reference, price_milli, :now, :now"
    " FROM v ON CONFLICT (message_id) DO NOTHING RETURNING message_id, chunk_id, charged_milli),"
    " changes AS (SELECT chunk_id, count(*)::int AS n, sum(charged_milli)::bigint AS amount_milli, array_agg(message_id) AS message_ids"
    " FROM written GROUP BY chunk_id ORDER BY chunk_id),"
    " counted AS (UPDATE chunks SET sent_count = sent_count + n FROM changes WHERE chunks.id = chunk_id"
    f" RETURNING message_ids, amount_milli, chunks.id, chunks.broadcast_id, chunks.organization_id, {ENDED} AS ended),"
    " charges AS (SELECT broadcast_id, organization_id, sum(amount_milli)::bigint AS amount_milli FROM counted"
    " GROUP BY broadcast_id, organization_id HAVING sum(amount_milli) <> 0 ORDER BY broadcast_id),"
    " drawn AS (UPDATE holds SET charged_milli = charged_milli + charges.amount_milli FROM charges"
    " WHERE holds.broadcast_id = charges.broadcast_id),"
    " entries AS (INSERT INTO ledger (organization_id, broadcast_id, kind, created_at)"
    " SELECT organization_id, broadcast_id, 'charge', :now FROM charges RETURNING id, broadcast_id),"
    " lines AS (INSERT INTO ledger_lines (ledger_id, account, amount_milli) SELECT entries.id, account, sign * charges.amount_milli"
    f" FROM entries JOIN charges ON charges.broadcast_id = entries.broadcast_id"
    f" CROSS JOIN (VALUES ('{_FROM}', -1), ('{_TO}', 1)) side(account, sign))"
    " SELECT message_ids, id, broadcast_id, ended FROM counted"
)


def take(connection: Connection, carrier_id: int, sent: Sequence[tuple[Marked, str | None]], now: int) -> list[tuple[Marked, str | None]]:
    """Write and settle what this carrier took at the first attempt, and has no row yet; returns the others."""
    columns = {"message_id": "bigint", "chunk_id": "bigint", "reference": "text", "price_milli": "bigint"}
    data = [(message.message_id, message.chunk_id, reference, message.price_milli) for message, reference in sent]
    found = rows.execute(connection, _TAKE, v=(columns, data), carrier_id=carrier_id, now=now)
    end_chunks(connection, [(chunk_id, broadcast_id) for _, chunk_id, broadcast_id, ended in found if ended], now)
    written = {message_id for message_ids, *_ in found for message_id in message_ids}
    return [] if len(written) == len(sent) else [each for each in sent if each[0].message_id not in written]


_DELIVER = (
    "WITH found AS MATERIALIZED (SELECT v.position, d.message_id, d.attempt, count(*) OVER (PARTITION BY v.position) AS candidates"
    " FROM v CROSS JOIN LATERAL (SELECT message_id, attempt FROM deliveries WHERE carrier_id = :carrier_id"
    " AND carrier_reference = v.reference AND updated_at > :since OFFSET 0) d JOIN messages m ON m.id = d.message_id"
    " WHERE right(m.recipient::text, length(v.tail)) = v.tail),"
    f" moved AS (UPDATE deliveries SET state = 'delivered', rank = {RANK[State.DELIVERED]}, reason = NULL, updated_at = :now FROM found"
    " WHERE deliveries.message_id = found.message_id AND found.candidates = 1 AND deliveries.state = 'sent'"
    f" AND (deliveries.attempt, deliveries.rank) < (found.attempt, {RANK[State.DELIVERED]}) RETURNING found.position, deliveries.chunk_id),"
    " changes AS (SELECT chunk_id, count(*)::int AS n, array_agg(position) AS positions FROM moved GROUP BY chunk_id ORDER BY chunk_id)"
    " UPDATE chunks SET sent_count = sent_count - n, delivered_count = delivered_count + n FROM changes WHERE chunks.id = chunk_id"
    f" RETURNING positions, chunks.id, chunks.broadcast_id, {ENDED}"
)
"""By LATERAL and OFFSET, so that no plan begins with all of a carrier's rows: what is made for a table with few of them is kept."""


def deliver(connection: Connection, carrier_id: int, receipts: Sequence[tuple[int, str, str]], since: int, now: int) -> set[int]:
    """Move sent messages to delivered, and settle them; returns the positions of the receipts that did.

    Each receipt is its position, an id that no other of them has, and the last digits of its recipient. What has no message, or more than
    one, or one in another state than sent, moves nothing.
    """
    columns = {"position": "int", "reference": "text", "tail": "text"}
    found = rows.execute(connection, _DELIVER, v=(columns, receipts), carrier_id=carrier_id, since=since, now=now)
    end_chunks(connection, [(chunk_id, broadcast_id) for _, chunk_id, broadcast_id, ended in found if ended], now)
    return {position for positions, *_ in found for position in positions}
