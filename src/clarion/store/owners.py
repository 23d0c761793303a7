"""Owners are processes that hold binds: their numbers, whether they live, and the one clock of their leases."""

from collections.abc import Sequence

from sqlalchemy import Connection

from clarion.store import rows

LOCKS = 0x434C << 48
"""Where the advisory locks of owners begin among PostgreSQL's 64-bit keys, apart from those of other programs."""


def engine_now(connection: Connection) -> int:
    """The time in microseconds as the database's own machine has it, for leases and request counts alone.

    Every process compares a lease with this one clock, so theirs need not agree. If it jumps, a lease ends early or late, and the fence
    keeps that safe: no calendar of CLARION_CLOCK moves it. SQLite counts whole milliseconds.
    """
    if connection.dialect.name == "sqlite":
        text = "SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000"
    else:
        text = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS bigint)"
    return int(connection.exec_driver_sql(text).scalar_one())


def gone_owners(connection: Connection, owners: Sequence[int], own: int = 0) -> list[int]:
    """Those of the owners that no longer live, never `own`.

    On PostgreSQL an owner holds an advisory lock as long as it lives; whoever finds it gone holds that lock to the end of the
    transaction, so that two who look at once do not both take over. On SQLite the lock on the data folder proves that
    every other owner is gone.
    """
    others = [owner for owner in owners if owner != own]
    if connection.dialect.name == "sqlite":
        return others
    found = rows.execute(
        connection,
        "SELECT owner FROM v WHERE pg_try_advisory_xact_lock(:locks + owner)",
        v=({"owner": "bigint"}, [(owner,) for owner in others]),
        locks=LOCKS,
    )
    return [owner for (owner,) in found]
