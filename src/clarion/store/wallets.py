"""Wallets as their owners see them: what is available, what is held, what came and went."""

from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.core.money import format_money
from clarion.store import money, tables
from clarion.store.catalog import Organization
from clarion.store.errors import StoreError


class NotAllowed(StoreError):
    """The wallet cannot take this movement; the message says why."""


class Wallet(NamedTuple):
    """What can be spent, and what is held for messages that have no outcome yet, in thousandths of the minor unit."""

    available_milli: int
    held_milli: int


class ToppedUp(NamedTuple):
    """The ledger's entry, and the wallet after it."""

    ledger_id: int
    wallet: Wallet


class StatementEntry(NamedTuple):
    """One movement: the amount that its kind is about; only a correction is below 0. `broadcast` is a public id."""

    ledger_id: int
    created_at: int
    kind: str
    broadcast: UUID | None
    amount_milli: int


def wallet_of(connection: Connection, organization_id: int) -> Wallet:
    """The wallet of an organization."""
    h, b, w = tables.holds.c, tables.broadcasts.c, tables.wallets.c
    held = (
        sa.select(sa.func.coalesce(sa.func.sum(h.amount_milli - h.charged_milli - h.released_milli), 0))
        .join_from(tables.holds, tables.broadcasts, h.broadcast_id == b.id)
        .where(b.organization_id == organization_id)
    )
    available = connection.execute(sa.select(w.available_milli).where(w.organization_id == organization_id)).scalar_one()
    return Wallet(int(available), int(connection.execute(held).scalar_one()))


def top_up_wallet(connection: Connection, organization: Organization, amount_milli: int, now: int) -> ToppedUp:
    """Put money into a wallet, or for a correction below 0 take it out. Raises NotAllowed where that would pass its limit."""
    if organization.billing == "none":
        raise NotAllowed(f"{organization.name} is not billed, so it has no money.")
    available_milli = money.lock_available(connection, organization.id)
    if amount_milli < 0 and available_milli + amount_milli < -organization.limit_milli:
        least = format_money(-organization.limit_milli, organization.currency)
        has = format_money(available_milli, organization.currency)
        raise NotAllowed(f"{organization.name} has {has} available and may not go below {least}.")
    money.top_up(connection, organization.id, amount_milli, now)
    (entry,) = statement_of(connection, organization.id, None, 1)
    return ToppedUp(entry.ledger_id, wallet_of(connection, organization.id))


def statement_of(connection: Connection, organization_id: int, before_id: int | None, limit: int) -> list[StatementEntry]:
    """The newest entries first, paged by key: the last id of a page is the next one's `before_id`."""
    entries, lines, broadcasts = tables.ledger.c, tables.ledger_lines.c, tables.broadcasts.c
    target = sa.case({kind: target for kind, (_, target) in money.KINDS.items()}, value=entries.kind)
    query = (
        sa.select(entries.id, entries.created_at, entries.kind, broadcasts.public_id, lines.amount_milli)
        .join_from(tables.ledger, tables.ledger_lines, sa.and_(lines.ledger_id == entries.id, lines.account == target))
        .outerjoin(tables.broadcasts, broadcasts.id == entries.broadcast_id)
        .where(entries.organization_id == organization_id)
    )
    if before_id is not None:
        query = query.where(entries.id < before_id)
    return [StatementEntry(*row) for row in connection.execute(query.order_by(entries.id.desc()).limit(limit))]
