"""The ordinary road on PostgreSQL, a batch in one statement: each round trip costs both processes more than the rows that it moves.

What is not ordinary is left to the functions that both engines share, which run afterwards in the same transaction.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from clarion.core.states import RANK, State
from clarion.store import rows
from clarion.store.deliveries import ENDED, end_chunks

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
