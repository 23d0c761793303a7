"""Hot statements: one text for both engines, set-based over rows that come as a table `v`.

    for row in rows.execute(
        connection,
        "UPDATE wallets SET available_milli = available_milli + v.amount_milli FROM v WHERE organization_id = v.id RETURNING id",
        v=({"id": "bigint", "amount_milli": "bigint"}, [(1, 500), (2, -500)]),
    ): ...

SQLite reads `v` from VALUES, PostgreSQL from unnest. The standard library's driver lets go of the GIL at every step of a statement, and
beside a busy event loop each time may cost a millisecond: so never executemany, `read` where rows are many, and `changed` for guards.
What stands in the text as `:name` is a scalar, given by keyword; its type in PostgreSQL is that of its Python value, and what a None
stands for must follow from its place (or from a CAST). A text may begin with its own WITH; `v` is put before it.
"""

import re
import sqlite3
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

Row = TypeVar("Row", bound=msgspec.Struct)

Columns = Mapping[str, str]
"""Names and types of the columns of `v`, in the order of its rows."""

Values = tuple[Columns, Sequence[Sequence[Any]]]

TYPES = frozenset({"bigint", "int", "smallint", "text", "bool", "bytea", "uuid"})
"""What a column of `v` may be."""

BLOCK = 500
"""SQLite takes `v` in pieces of at most so many rows, which is a chunk: longer lists are no faster (10,000 messages: 100 rows a statement
14 ms, 500 15 ms, 2,000 17 ms)."""

LENGTHS = (1, 2, 4, 8, *range(16, BLOCK, 16), BLOCK)
"""A piece is filled up to one of these, so that texts repeat and stay prepared in the driver; what it is filled with is cut off, but costs
as much as what is meant: 130 rows of 4 columns were inserted in 0.3 ms as 130, and in 0.6 ms as 256."""

VARIABLES_MAX = 32_000
"""For the values of one statement: SQLite takes 32,766, scalars included."""

_SCALAR = re.compile(r"'(?:[^']|'')*'|::|:([a-z_][a-z0-9_]*)")
_CASTS = {bool: "::boolean", int: "::bigint", str: "::text", bytes: "::bytea", UUID: "::uuid"}


def execute(connection: Connection, text: str, /, v: Values | None = None, **scalars: object) -> list[Any]:
    """Run a statement and return all the rows that it gives, as tuples, [] if it gives none.

    On SQLite it runs once for each 500 rows of `v` and the results follow each other: an aggregate or ORDER BY over all of `v` belongs
    into Python, and a row of one piece is not seen beside those of another. Without rows in `v` nothing runs.
    UUIDs come back as `UUID` from PostgreSQL and as 32 hexadecimal digits from SQLite, which is how SQLAlchemy stores them.
    """
    if connection.dialect.name == "sqlite":
        return _on_sqlite(connection, text, v, scalars)
    return list(map(tuple, _on_postgres(connection, text, v, scalars)))


def read(connection: Connection, row: type[Row], text: str, /, v: Values | None = None, **scalars: object) -> list[Row]:
    """As `execute` for a SELECT of rows that may be many; each comes as `row`, a Struct that is `array_like`. No bytes.

    SQLite gives them as one JSON text: 350 rows beside a busy thread came in 1.3 ms instead of 42, and beside none in three quarters.
    """
    if connection.dialect.name == "sqlite":
        found: list[Row] = []
        for (document,) in _on_sqlite(connection, text, v, scalars, width=len(row.__struct_fields__)):
            found += _decoder(row).decode(document)
        return found
    return [row(*each) for each in _on_postgres(connection, text, v, scalars)]


def all(connection: Connection, text: str, /, **scalars: object) -> list[Any]:  # noqa: A001  (read as rows.all)
    """Run a statement without `v`; its rows, [] if it gives none."""
    return execute(connection, text, None, **scalars)


def one(connection: Connection, text: str, /, **scalars: object) -> Any:  # noqa: ANN401  (a row of whatever was selected, or None)
    """The first row of a statement without `v`, None if there is none."""
    found = execute(connection, text, None, **scalars)
    return found[0] if found else None


def change(connection: Connection, text: str, /, v: Values | None = None, **scalars: object) -> int:
    """Run an INSERT, UPDATE or DELETE without RETURNING; how many rows it changed."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.dbapi_connection
        before = driver.total_changes
        _on_sqlite(connection, text, v, scalars)
        return int(driver.total_changes - before)
    if v is not None and not v[1]:
        return 0
    return int(_on_postgres(connection, text, v, scalars, counting=True))


def changed(connection: Connection, text: str, /, key: str, v: Values, **scalars: object) -> set[Any] | None:
    """Run an UPDATE that a guard may keep from some rows of `v`: None if it changed one for each, else the `key`s that it changed.

    SQLite says which rows only where not all were changed: it undoes the statement and runs it again.
    """
    _, data = v
    if not data:
        return None
    returning = f"{text} RETURNING {key}"
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.dbapi_connection
        before = driver.total_changes
        driver.execute("SAVEPOINT guarded")
        _on_sqlite(connection, text, v, scalars)
        whole = driver.total_changes - before == len(data)
        if not whole:
            driver.execute("ROLLBACK TO guarded")
        driver.execute("RELEASE guarded")
        if whole:
            return None
    keys = {each for (each,) in execute(connection, returning, v, **scalars)}
    return None if len(keys) == len(data) else keys


def inserted(connection: Connection, text: str, /, key: str, v: Values, **scalars: object) -> set[Any] | None:
    """Run an INSERT that leaves alone rows of `v` whose `key` is there already: None if it inserted all, else the `key`s that it inserted.

    `text` has no ON CONFLICT. SQLite meets with an error of the whole statement what is there already, and only then asks row by row.
    """
    _, data = v
    if not data:
        return None
    if connection.dialect.name == "sqlite" and len(data) <= BLOCK:
        with suppress(IntegrityError):
            _on_sqlite(connection, text, v, scalars)
            return None
    keys = {each for (each,) in execute(connection, f"{text} ON CONFLICT ({key}) DO NOTHING RETURNING {key}", v, **scalars)}
    return None if len(keys) == len(data) else keys


def copy(connection: Connection, table: str, columns: Columns | Sequence[str], records: Sequence[Sequence[Any]]) -> None:
    """Insert many rows the quickest way: COPY on PostgreSQL, long VALUES lists on SQLite. Raises `IntegrityError` as an INSERT does."""
    if not records:
        return
    names = tuple(columns)
    if connection.dialect.name == "sqlite":
        if isinstance(columns, Mapping):
            records = _hexadecimal(columns, records)
        for values, length in _blocks(records, len(names)):
            connection.exec_driver_sql(_insert(table, names, length), tuple(values))
    else:
        _copy_to_postgres(connection, table, names, records)


def among(connection: Connection, column: str) -> str:
    """The words that hold a column against those values of `v`.

    PostgreSQL takes an array to the index at once; a join it plans for ten rows: 26 ms instead of 5 for 10,000 among 100,000.
    """
    listed = f"SELECT {column} FROM v"
    return f"IN ({listed})" if connection.dialect.name == "sqlite" else f"= ANY (ARRAY({listed}))"


def for_update(connection: Connection, of: str = "", *, skip_locked: bool = False) -> str:
    """The words that lock the rows of a SELECT, of the table `of` in a join; none on SQLite, where a writer is alone."""
    return _lock(connection, "UPDATE", of) + (" SKIP LOCKED" if skip_locked and connection.dialect.name != "sqlite" else "")


def for_share(connection: Connection, of: str = "") -> str:
    """The words that keep others from changing the rows of a SELECT until the transaction ends; none on SQLite."""
    return _lock(connection, "SHARE", of)


def _lock(connection: Connection, strength: str, of: str) -> str:
    if connection.dialect.name == "sqlite":
        return ""
    return f" FOR {strength} OF {of}" if of else f" FOR {strength}"


def _on_sqlite(connection: Connection, text: str, v: Values | None, scalars: Mapping[str, object], width: int = 0) -> list[Any]:
    """The rows of the statement, run once for each piece of `v`; with `width` as one JSON text of so many columns for each.

    By the driver itself: SQLAlchemy's result would cost as much again as most of these statements, 30 to 40 microseconds.
    """
    columns, data = v if v is not None else ({}, ())
    signature = tuple(columns.items())
    driver: Any = connection.connection.dbapi_connection
    found: list[Any] = []
    for values, length in _blocks(_hexadecimal(columns, data), len(columns)) if v is not None else [([], 0)]:
        statement, names = _sqlite(text, signature, length, width)
        values += [value.hex if isinstance(value := scalars[name], UUID) else value for name in names]
        try:
            found += driver.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise DBAPIError.instance(statement, None, error, sqlite3.Error, hide_parameters=True) from error
    return found


def _on_postgres(connection: Connection, text: str, v: Values | None, scalars: Mapping[str, object], *, counting: bool = False) -> Any:  # noqa: ANN401  (records of asyncpg, or a number)
    """The records of the statement, none where there is nothing to run it for; `counting`: how many it changed."""
    columns, data = v if v is not None else ({}, ())
    if v is not None and not data:
        return []
    casts = tuple([(name, _CASTS.get(type(value)) or _cast_of(value)) for name, value in scalars.items()])
    statement, names = _postgres(text, tuple(columns.items()), casts)
    values = (*zip(*data, strict=True), *[scalars[name] for name in names])
    if counting:
        status = _by_asyncpg(connection, statement, lambda driver: driver.execute(statement, *values))
        return status.rpartition(" ")[2]
    return _by_asyncpg(connection, statement, lambda driver: driver.fetch(statement, *values))


def _by_asyncpg(connection: Connection, statement: str, call: Callable[[Any], Awaitable[Any]]) -> Any:  # noqa: ANN401  (what asyncpg gives)
    """By the driver itself, in the transaction that the store has begun; its errors are raised as SQLAlchemy's kinds.

    Through SQLAlchemy a round trip costs this process 290 microseconds instead of 70.
    """
    adapted: Any = connection.connection.dbapi_connection
    try:
        return adapted.run_async(call)
    except Exception as error:
        # PostgreSQL's class 23 are violated constraints.
        state = getattr(error, "sqlstate", None)
        if state is None:
            raise
        kind = IntegrityError if state.startswith("23") else DBAPIError
        raise kind(statement, None, error, hide_parameters=True) from error


def _blocks(data: Sequence[Sequence[Any]], width: int) -> Iterator[tuple[list[Any], int]]:
    """Pieces of `v`: the values, filled up to a length, and the number of rows that are meant; and that length."""
    longest = LENGTHS[bisect_left(LENGTHS, VARIABLES_MAX // width) - 1] if BLOCK * width >= VARIABLES_MAX else BLOCK
    for start in range(0, len(data), longest):
        block = data[start : start + longest]
        length = LENGTHS[bisect_left(LENGTHS, len(block))]
        values = list(chain.from_iterable(block))
        values += [None] * (width * (length - len(block)))
        values.append(len(block))
        yield values, length


def _hexadecimal(columns: Columns, data: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    if "uuid" not in columns.values():
        return data
    return [tuple(value.hex if isinstance(value, UUID) else value for value in row) for row in data]


def _cast_of(value: object) -> str:
    # Enumerations of states are strings and integers too.
    return next((cast for kind, cast in _CASTS.items() if isinstance(value, kind)), "")


@lru_cache(maxsize=2048)
def _sqlite(text: str, signature: tuple[tuple[str, str], ...], length: int, width: int) -> tuple[str, list[str]]:
    names: list[str] = []

    def scalar(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        names.append(match[1])
        return "?"

    statement = _SCALAR.sub(scalar, text)
    if width:
        columns = ", ".join(f"c{number}" for number in range(width))
        statement = f"WITH r({columns}) AS ({statement}) SELECT json_group_array(json_array({columns})) FROM r"
    return _with_values(statement, signature, _value_lists(len(signature), length)), names


@lru_cache(maxsize=256)
def _decoder(row: type[Row]) -> msgspec.json.Decoder[list[Row]]:
    return msgspec.json.Decoder(list[row])  # type: ignore[valid-type]


@lru_cache(maxsize=2048)
def _postgres(text: str, signature: tuple[tuple[str, str], ...], casts: tuple[tuple[str, str], ...]) -> tuple[str, list[str]]:
    unknown = {kind for _, kind in signature} - TYPES
    if unknown:
        raise ValueError(f"no such types of columns: {', '.join(sorted(unknown))}")
    cast = dict(casts)
    names: list[str] = []

    def scalar(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0]
        if name not in names:
            names.append(name)
        return f"${len(signature) + 1 + names.index(name)}{cast[name]}"

    # As what a SELECT gives, so that the planner does not count them: the plan for ten rows is kept, which goes by the indexes row by row.
    arrays = ", ".join(f"(SELECT ${number}::{kind}[])" for number, (_, kind) in enumerate(signature, 1))
    return _with_values(_SCALAR.sub(scalar, text), signature, f"SELECT * FROM unnest({arrays})"), names


def _with_values(text: str, signature: tuple[tuple[str, str], ...], values: str) -> str:
    if not signature:
        return text
    head = f"WITH v({', '.join(name for name, _ in signature)}) AS ({values})"
    return f"{head}, {text[5:]}" if text.startswith("WITH ") else f"{head} {text}"


def _value_lists(width: int, length: int) -> str:
    row = f"({','.join('?' * width)})"
    return f"SELECT * FROM (VALUES {','.join([row] * length)}) LIMIT ?"


@lru_cache(maxsize=512)
def _insert(table: str, names: tuple[str, ...], length: int) -> str:
    return f"INSERT INTO {table} ({', '.join(names)}) {_value_lists(len(names), length)}"


def _copy_to_postgres(connection: Connection, table: str, names: tuple[str, ...], records: Sequence[Sequence[Any]]) -> None:
    _by_asyncpg(connection, f"COPY {table}", lambda driver: driver.copy_records_to_table(table, columns=names, records=records))
