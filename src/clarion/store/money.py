"""The ledger: append-only double entry, in thousandths of the currency's minor unit (law 4 of the design)."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.store import rows

KINDS: dict[str, tuple[str, str]] = {
    "top_up": ("outside", "available"),
    "reserve": ("available", "held"),
    "charge": ("held", "spent"),
    "release": ("held", "available"),
    "refund": ("spent", "available"),
}
"""What each kind of entry takes from and gives to. A negative top-up is a correction."""

Sums = Mapping[tuple[int, int], int]
"""Amounts by (broadcast id, organization id)."""

_ENTRY = {"organization_id": "bigint", "broadcast_id": "bigint", "kind": "text"}
_LINE = {"ledger_id": "bigint", "account": "text", "amount_milli": "bigint"}
_SUM = {"id": "bigint", "amount_milli": "bigint"}


class Entry(NamedTuple):
    """One movement. There is at most one for each broadcast and kind in a call of `book`."""

    organization_id: int
    broadcast_id: int | None
    kind: str
    amount_milli: int


def book(connection: Connection, entries: Sequence[Entry], now: int) -> None:
    """Write entries with their lines, and move the wallets by what they change in `available`; amounts of 0 are left out."""
    entries = [entry for entry in entries if entry.amount_milli]
    if not entries:
        return
    written = rows.execute(
        connection,
        "INSERT INTO ledger (organization_id, broadcast_id, kind, created_at)"
        " SELECT organization_id, broadcast_id, kind, :now FROM v WHERE true RETURNING id, broadcast_id, kind",
        v=(_ENTRY, [entry[:3] for entry in entries]),
        now=now,
    )
    ids = {(broadcast_id, kind): ledger_id for ledger_id, broadcast_id, kind in written}
    lines: list[tuple[int, str, int]] = []
    available: dict[int, int] = {}
    for entry in entries:
        ledger_id = ids[entry.broadcast_id, entry.kind]
        source, target = KINDS[entry.kind]
        lines += [(ledger_id, source, -entry.amount_milli), (ledger_id, target, entry.amount_milli)]
        change = entry.amount_milli if target == "available" else -entry.amount_milli if source == "available" else 0
        available[entry.organization_id] = available.get(entry.organization_id, 0) + change
    rows.execute(
        connection,
        "INSERT INTO ledger_lines (ledger_id, account, amount_milli) SELECT ledger_id, account, amount_milli FROM v WHERE true",
        v=(_LINE, lines),
    )
    _move_wallets(connection, available.items())


def _move_wallets(connection: Connection, changes: Iterable[tuple[int, int]]) -> None:
    data = sorted((organization_id, change) for organization_id, change in changes if change)
    if data:
        rows.execute(
            connection,
            "UPDATE wallets SET available_milli = available_milli + v.amount_milli FROM v WHERE wallets.organization_id = v.id",
            v=(_SUM, data),
        )


def lock_available(connection: Connection, organization_id: int) -> int:
    """What the wallet holds, locked against other reserves until the transaction ends."""
    found = rows.all(
        connection,
        f"SELECT available_milli FROM wallets WHERE organization_id = :organization_id{rows.for_update(connection)}",
        organization_id=organization_id,
    )
    return int(found[0][0])


def hold(connection: Connection, organization_id: int, broadcast_id: int, amount_milli: int, now: int) -> None:
    """Open a broadcast's hold and move its money there. The caller has checked the limit under `lock_available`."""
    rows.all(
        connection,
        "INSERT INTO holds (broadcast_id, amount_milli, charged_milli, released_milli) VALUES (:broadcast_id, :amount_milli, 0, 0)",
        broadcast_id=broadcast_id,
        amount_milli=amount_milli,
    )
    book(connection, [Entry(organization_id, broadcast_id, "reserve", amount_milli)], now)


def raise_hold(connection: Connection, organization_id: int, broadcast_id: int, amount_milli: int, now: int) -> None:
    """Move more money into a broadcast's hold. The caller has checked the limit under `lock_available`."""
    rows.all(
        connection,
        "UPDATE holds SET amount_milli = amount_milli + :amount_milli WHERE broadcast_id = :broadcast_id",
        amount_milli=amount_milli,
        broadcast_id=broadcast_id,
    )
    book(connection, [Entry(organization_id, broadcast_id, "reserve", amount_milli)], now)


def draw_holds(connection: Connection, charges: Sums, releases: Sums, now: int, refunds: Sums = MappingProxyType({})) -> None:
    """Charge and release sums out of the broadcasts' holds. What is refunded of a charge counts as released from then on."""
    keys = sorted({key for sums in (charges, releases, refunds) for key, amount in sums.items() if amount})
    if not keys:
        return
    rows.execute(
        connection,
        "UPDATE holds SET charged_milli = charged_milli + v.charged, released_milli = released_milli + v.released"
        " FROM v WHERE holds.broadcast_id = v.id",
        v=(
            {"id": "bigint", "charged": "bigint", "released": "bigint"},
            [(key[0], charges.get(key, 0) - (refunded := refunds.get(key, 0)), releases.get(key, 0) + refunded) for key in keys],
        ),
    )
    entries = [
        Entry(organization_id, broadcast_id, kind, sums[broadcast_id, organization_id])
        for broadcast_id, organization_id in keys
        for kind, sums in (("charge", charges), ("release", releases), ("refund", refunds))
        if (broadcast_id, organization_id) in sums
    ]
    book(connection, entries, now)


def top_up(connection: Connection, organization_id: int, amount_milli: int, now: int) -> int:
    """Put money into a wallet; returns what is available then."""
    lock_available(connection, organization_id)
    book(connection, [Entry(organization_id, None, "top_up", amount_milli)], now)
    return lock_available(connection, organization_id)
