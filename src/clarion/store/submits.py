"""Where on the wire messages went and when, by ranges: a trail for people, which nothing else reads."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.store import rows

SLICE = 500

RANGE_MAX = 1_000
"""Messages in one range at most."""


class Submit(NamedTuple):
    """Messages `first_id` to `last_id`, of `parts` PDUs each, given to a connection of a bind one after the other.

    `sequence` is that of the first message's first part. Times in microseconds: the mark, and the first and last time something was given.
    """

    first_id: int
    last_id: int
    attempt: int
    connection: int
    sequence: int
    parts: int
    marked_at: int
    submitted_at: int
    until_at: int


class Found(NamedTuple):
    """Where one message went: `sequence` of its first part."""

    attempt: int
    carrier_id: int
    slot: int
    connection: int
    sequence: int
    parts: int
    marked_at: int
    submitted_at: int
    until_at: int


_COLUMNS = {
    "first_id": "bigint",
    "last_id": "bigint",
    "attempt": "smallint",
    "connection": "int",
    "sequence": "bigint",
    "parts": "smallint",
    "marked_at": "bigint",
    "submitted_at": "bigint",
    "until_at": "bigint",
}


def keep(connection: Connection, carrier_id: int, slot: int, fence: int, ranges: Sequence[Submit]) -> None:
    """Store what a bind was given."""
    names = ", ".join(_COLUMNS)
    rows.execute(
        connection,
        f"INSERT INTO submits ({names}, carrier_id, slot, fence) SELECT {names}, :carrier_id, :slot, :fence FROM v WHERE true",
        v=(_COLUMNS, ranges),
        carrier_id=carrier_id,
        slot=slot,
        fence=fence,
    )


def of_message(connection: Connection, message_id: int) -> list[Found]:
    """Where it went, the first time first; none if that is older than is kept, or a process was killed within a second of it."""
    found = rows.all(
        connection,
        "SELECT attempt, carrier_id, slot, connection, sequence + (:id - first_id) * parts, parts, marked_at, submitted_at, until_at"
        " FROM submits WHERE first_id BETWEEN :id - :most AND :id AND last_id >= :id ORDER BY submitted_at, id",
        id=message_id,
        most=RANGE_MAX,
    )
    return [Found(*row) for row in found]


def forget(connection: Connection, before: int) -> int:
    """Drop some of what is older; returns how much."""
    return rows.change(
        connection,
        "DELETE FROM submits WHERE id IN (SELECT id FROM submits ORDER BY id LIMIT :limit) AND until_at < :before",
        limit=SLICE,
        before=before,
    )
