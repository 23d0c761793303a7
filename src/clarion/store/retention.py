"""Age: messages of finished broadcasts, and what came in, are deleted in slices.

Broadcasts, chunks with their counters, holds and the ledger stay, so that every sum still has its parts. A broadcast's `retired_id` is
the last message that is gone; null: none was deleted yet.
"""

from sqlalchemy import Connection

from clarion.core.states import HELD
from clarion.store import rows

SLICE = 100
"""Messages of one transaction, or broadcasts of it where they are single sends. Numbers in random order touch a page of the index each:
of a million messages 500 hold the writer for 25 ms in the median, 200 for 7, 100 for 3."""

# Sent is an end here: who has heard nothing of a message for so long hears of it no more.
_OPEN = " + ".join(f"c.{state}_count" for state in sorted(HELD - {"waiting"}))

_DUE = (
    "SELECT b.id, b.first_id, b.last_id, b.retired_id, b.rejected FROM broadcasts b WHERE b.finished_at IS NOT NULL"
    " AND (b.retired_id IS NULL OR b.retired_id < b.last_id) AND b.finished_at < :before AND (b.retired_id IS NOT NULL"
    f" OR NOT EXISTS (SELECT 1 FROM chunks c WHERE c.broadcast_id = b.id AND {_OPEN} > 0)"
    " AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.broadcast_id = b.id AND h.amount_milli <> h.charged_milli + h.released_milli))"
    " ORDER BY b.finished_at LIMIT :slice"
)


def retire(connection: Connection, before: int) -> int:
    """Delete some of what belongs to broadcasts that were finished before then, the oldest first; returns how much, 0 for no more.

    One with a message that may still be charged or given back is left until that is over.
    """
    room, deleted = SLICE, 0
    gone: list[int] = []
    reached: list[tuple[int, int]] = []
    for broadcast_id, first_id, last_id, retired_id, rejected in rows.all(
        connection, f"{_DUE}{rows.for_update(connection, 'b', skip_locked=True)}", before=before, slice=SLICE
    ):
        if room <= 0:
            break
        if rejected and retired_id is None:
            refused = _forget_rejects(connection, broadcast_id, room)
            deleted += refused
            room -= refused
            if room <= 0:
                break
        start = first_id if retired_id is None else retired_id + 1
        end = min(last_id, start + room - 1)
        gone += range(start, end + 1)
        reached.append((broadcast_id, end))
        room -= max(end - start + 1, 1)
    _delete_messages(connection, gone)
    # The text of a single send is its recipient's alone.
    rows.execute(
        connection,
        "UPDATE broadcasts SET retired_id = v.reached, text = CASE WHEN first_id = last_id THEN '' ELSE text END"
        " FROM v WHERE broadcasts.id = v.id",
        v=({"id": "bigint", "reached": "bigint"}, reached),
    )
    return deleted + len(gone) + len(reached)


def forget_received(connection: Connection, before: int) -> int:
    """Delete some receipts that fitted nothing and some inbound texts that came before then; returns how many."""
    return sum(
        rows.change(
            connection,
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT :slice) AND received_at < :before",
            slice=SLICE,
            before=before,
        )
        for table in ("orphans", "inbound")
    )


def _forget_rejects(connection: Connection, broadcast_id: int, room: int) -> int:
    return rows.change(
        connection,
        "DELETE FROM rejects WHERE broadcast_id = :id AND position IN"
        " (SELECT position FROM rejects WHERE broadcast_id = :id ORDER BY position LIMIT :room)",
        id=broadcast_id,
        room=room,
    )


def _delete_messages(connection: Connection, ids: list[int]) -> None:
    among = "IN (SELECT id FROM v)" if connection.dialect.name == "sqlite" else "= ANY (ARRAY(SELECT id FROM v))"
    for table, key in (("deliveries", "message_id"), ("attempts", "message_id"), ("parts", "message_id"), ("messages", "id")):
        rows.execute(connection, f"DELETE FROM {table} WHERE {key} {among}", v=({"id": "bigint"}, [(each,) for each in ids]))
