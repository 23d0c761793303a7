"""One text for both engines: what comes back, what is stored, and in how many pieces."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from clarion.store import Store, rows, tables

Outside = Callable[[str], list[tuple[Any, ...]]]

PUBLIC_ID = UUID("018f0000-0000-7000-8000-000000000000")

MESSAGE = ("id", "broadcast_id", "organization_id", "recipient", "sender", "text", "encoding", "segments", "price_milli")


class Word(StrEnum):
    BLUE = "blue"


def messages(first: int, count: int) -> list[tuple[object, ...]]:
    return [(number, 1, 1, 254700000000 + number, None, "ü'\t\\N\n", "gsm7", 1, 100_000) for number in range(first, first + count)]


@pytest.mark.parametrize("count", [0, 1, 4, 5, 19, 127, 500, 1234])
async def test_v_has_every_row_once_whatever_their_number(store: Store, count: int) -> None:
    data = [(number, f"name {number}", None if number % 3 else number) for number in range(count)]

    def select(connection: Connection) -> list[Any]:
        return rows.execute(
            connection,
            "SELECT id, name, maybe, :word FROM v",
            v=({"id": "bigint", "name": "text", "maybe": "int"}, data),
            word=Word.BLUE,
        )

    assert [tuple(row) for row in await store.read(select)] == [(*row, "blue") for row in data]


async def test_every_type_goes_in_and_comes_out(store: Store) -> None:
    columns = {"a": "bigint", "b": "int", "c": "smallint", "d": "text", "e": "bool", "f": "bytea", "g": "uuid"}
    data: list[tuple[object, ...]] = [(1 << 62, 1 << 30, -7, "z\u0301😀", True, b"\0\xff", PUBLIC_ID), (None,) * 7]

    def select(connection: Connection) -> list[Any]:
        return rows.execute(connection, "SELECT * FROM v", v=(columns, data))

    first, second = await store.read(select)
    assert tuple(first[:6]) == data[0][:6]
    assert UUID(str(first[6])) == PUBLIC_ID
    assert tuple(second) == data[1]


async def test_a_uuid_is_stored_as_the_tables_have_it(store: Store) -> None:
    def insert(connection: Connection) -> list[UUID]:
        text = (
            "INSERT INTO organizations (public_id, name, currency, billing, region, zone, created_at)"
            " SELECT public_id, name, 'KES', 'none', 'KE', 'UTC', 0 FROM v WHERE true"
        )
        rows.execute(connection, text, v=({"public_id": "uuid", "name": "text"}, [(PUBLIC_ID, "one")]))
        assert rows.one(connection, "SELECT name FROM organizations WHERE public_id = :public_id", public_id=PUBLIC_ID)[0] == "one"
        return list(connection.execute(sa.select(tables.organizations.c.public_id)).scalars())

    assert await store.write(insert) == [PUBLIC_ID]


async def test_scalars_may_repeat_and_colons_may_stand_in_texts(store: Store) -> None:
    def select(connection: Connection) -> Any:
        return rows.one(connection, "SELECT :n + :n, ':n ''quoted'' :m', :text, CAST(:none AS bigint)", n=21, text="a:n", none=None)

    assert tuple(await store.read(select)) == (42, ":n 'quoted' :m", "a:n", None)


async def test_v_stands_before_the_statements_own_with(store: Store) -> None:
    def select(connection: Connection) -> list[Any]:
        text = "WITH doubled AS (SELECT id * 2 AS id FROM v) SELECT d.id, (SELECT count(*) FROM v) FROM doubled d WHERE d.id > :least"
        return rows.execute(connection, text, v=({"id": "bigint"}, [(1,), (2,), (3,)]), least=0)

    assert [tuple(row) for row in await store.read(select)] == [(2, 3), (4, 3), (6, 3)]


async def test_a_guarded_insert_returns_what_it_inserted(store: Store) -> None:
    columns = {"message_id": "bigint", "carrier_reference": "text"}

    def insert(connection: Connection, first: int, count: int) -> list[int]:
        found = rows.execute(
            connection,
            "INSERT INTO deliveries (message_id, chunk_id, state, rank, attempt, carrier_id, carrier_reference, updated_at)"
            " SELECT message_id, 1, 'sent', 30, 1, :carrier_id, carrier_reference, :now FROM v WHERE true"
            " ON CONFLICT (message_id) DO UPDATE SET rank = excluded.rank"
            " WHERE (deliveries.attempt, deliveries.rank) < (excluded.attempt, excluded.rank) RETURNING message_id",
            v=(columns, [(number, f"{number:x}") for number in range(first, first + count)]),
            carrier_id=1,
            now=5,
        )
        return [message_id for (message_id,) in found]

    assert sorted(await store.write(insert, 1, 600)) == list(range(1, 601))
    assert sorted(await store.write(insert, 501, 200)) == list(range(601, 701))


class Person(Struct, frozen=True, array_like=True):
    id: int
    name: str | None
    maybe: int | None


@pytest.mark.parametrize("count", [0, 1, 5, 600])
async def test_many_rows_are_read_as_they_are(store: Store, count: int) -> None:
    names = ['"quoted" \\ \n \t', "z\u0301😀", "", None, "null", "[1]"]
    data = [((1 << 62) + number, names[number % len(names)], None if number % 3 else -number) for number in range(count)]

    def read(connection: Connection) -> list[Person]:
        return rows.read(
            connection,
            Person,
            "SELECT id, name, CAST(maybe AS bigint) FROM v WHERE id > :least ORDER BY id DESC",
            v=({"id": "bigint", "name": "text", "maybe": "bigint"}, data[:500]),
            least=0,
        )

    found = await store.read(read)
    assert found == [Person(*row) for row in reversed(data[:500])]
    assert all(isinstance(row, Person) for row in found)


async def test_reading_works_without_v_and_with_the_statements_own_with(store: Store) -> None:
    def read(connection: Connection) -> tuple[list[Person], list[Person]]:
        alone = rows.read(connection, Person, "SELECT 1, CAST(:name AS text), CAST(NULL AS bigint)", name="one")
        text = "WITH doubled AS (SELECT id * 2 AS id FROM v) SELECT d.id, CAST(NULL AS text), CAST(NULL AS bigint) FROM doubled d"
        return alone, rows.read(connection, Person, text, v=({"id": "bigint"}, [(1,), (2,)]))

    alone, doubled = await store.read(read)
    assert alone == [Person(1, "one", None)]
    assert doubled == [Person(2, None, None), Person(4, None, None)]


async def test_an_insert_says_what_was_there_already(store: Store) -> None:
    columns = {"message_id": "bigint", "rank": "smallint"}
    text = (
        "INSERT INTO deliveries (message_id, chunk_id, state, rank, attempt, updated_at)"
        " SELECT message_id, 1, 'sent', rank, 1, :now FROM v WHERE true"
    )

    def insert(connection: Connection, first: int, count: int, rank: int) -> set[int] | None:
        data = [(number, rank) for number in range(first, first + count)]
        return rows.inserted(connection, text, "message_id", (columns, data), now=5)

    assert await store.write(insert, 1, 0, 1) is None
    assert await store.write(insert, 1, 40, 1) is None
    assert await store.write(insert, 31, 20, 2) == set(range(41, 51))
    assert await store.write(insert, 31, 20, 3) == set()
    assert await store.write(insert, 51, 1200, 1) is None

    def ranks(connection: Connection) -> list[Any]:
        return rows.all(connection, "SELECT rank, count(*) FROM deliveries GROUP BY rank ORDER BY rank")

    assert [tuple(row) for row in await store.read(ranks)] == [(1, 1240), (2, 10)]


async def test_what_an_insert_may_not_be_is_still_an_error(store: Store) -> None:
    def insert(connection: Connection) -> None:
        text = (
            "INSERT INTO deliveries (message_id, chunk_id, state, rank, attempt, updated_at)"
            " SELECT message_id, 1, CAST(NULL AS text), 1, 1, 1 FROM v WHERE true"
        )
        rows.inserted(connection, text, "message_id", ({"message_id": "bigint"}, [(1,)]))

    with pytest.raises(IntegrityError):
        await store.write(insert)


async def test_a_guarded_update_says_what_it_changed_where_that_is_not_all(store: Store) -> None:
    text = "UPDATE messages SET segments = v.segments FROM v WHERE messages.id = v.id AND messages.segments < v.segments"

    def update(connection: Connection, ids: list[int], segments: int) -> set[int] | None:
        return rows.changed(connection, text, "messages.id", ({"id": "bigint", "segments": "smallint"}, [(each, segments) for each in ids]))

    await store.write(rows.copy, "messages", MESSAGE, messages(1, 700))
    assert await store.write(update, [], 2) is None
    assert await store.write(update, list(range(1, 601)), 2) is None
    assert await store.write(update, list(range(591, 701)), 2) == set(range(601, 701))
    assert await store.write(update, [1, 2, 9999], 2) == set()
    # Twice the same row is one change.
    assert await store.write(update, [1, 1, 2], 3) == {1, 2}

    def counts(connection: Connection) -> list[Any]:
        return rows.all(connection, "SELECT segments, count(*) FROM messages GROUP BY segments ORDER BY segments")

    assert [tuple(row) for row in await store.read(counts)] == [(2, 698), (3, 2)]


async def test_changes_are_counted_with_and_without_v(store: Store) -> None:
    def change(connection: Connection) -> tuple[int, int, int]:
        rows.copy(connection, "messages", MESSAGE, messages(1, 700))
        by_id = "UPDATE messages SET segments = 2 FROM v WHERE messages.id = v.id"
        return (
            rows.change(connection, by_id, v=({"id": "bigint"}, [(number,) for number in range(101, 801)])),
            rows.change(connection, by_id, v=({"id": "bigint"}, [(9999,)])),
            rows.change(connection, "DELETE FROM messages WHERE segments = :segments", segments=1),
        )

    assert await store.write(change) == (600, 0, 100)


async def test_a_copy_is_part_of_its_transaction(store: Store) -> None:
    def fails(connection: Connection) -> None:
        rows.copy(connection, "messages", MESSAGE, messages(1, 1200))
        raise ValueError("after the copy")

    def count(connection: Connection) -> int:
        return int(rows.one(connection, "SELECT count(*) FROM messages")[0])

    with pytest.raises(ValueError, match="after the copy"):
        await store.write(fails)
    assert await store.read(count) == 0
    await store.write(rows.copy, "messages", MESSAGE, messages(1, 1200))
    assert await store.read(count) == 1200


async def test_a_copy_stores_texts_as_they_are(store: Store) -> None:
    await store.write(rows.copy, "messages", dict.fromkeys(MESSAGE, "text"), messages(7, 1))

    def read(connection: Connection) -> Any:
        return rows.one(connection, "SELECT id, sender, text FROM messages")

    assert tuple(await store.read(read)) == (7, None, "ü'\t\\N\n")


async def test_a_copy_of_what_is_there_already_is_an_integrity_error(store: Store) -> None:
    await store.write(rows.copy, "messages", MESSAGE, messages(1, 3))
    with pytest.raises(IntegrityError):
        await store.write(rows.copy, "messages", MESSAGE, messages(3, 3))


async def test_ragged_rows_are_refused(store: Store) -> None:
    def ragged(connection: Connection) -> list[Any]:
        return rows.execute(connection, "SELECT * FROM v", v=({"a": "int", "b": "int"}, [(1, 2), (3,)]))

    with pytest.raises((ValueError, sa.exc.ProgrammingError)):
        await store.read(ragged)


async def test_statements_repeat_their_texts(store: Store, database_url: str) -> None:
    """10,000 different lengths must not make 10,000 statements."""
    if not database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL has one text for every length")
    seen: set[str] = set()

    def select(connection: Connection) -> None:
        connection.connection.driver_connection.set_trace_callback(seen.add)  # type: ignore[union-attr]
        for count in range(1, 150):
            rows.execute(connection, "SELECT 1 FROM v WHERE id = -1", v=({"id": "bigint"}, [(0,)] * count))

    await store.read(select)
    texts = {re.sub(r"LIMIT \d+", "LIMIT ?", text.replace("NULL", "0")) for text in seen if "VALUES" in text}
    assert len(texts) == 4 + 10 * 1
