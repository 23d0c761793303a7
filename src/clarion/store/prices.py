"""Prices that people set: for a prefix and a currency, for all organizations or one. Those that a carrier brought are its own."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.core.money import parse_amount
from clarion.store import tables
from clarion.store.catalog import Organization, raise_version
from clarion.store.errors import NotThere


class PriceView(NamedTuple):
    """What a segment costs. `prefix` "" is everywhere; `currency` None any, `organization` None all; `carrier` brought it, if one did."""

    id: int
    prefix: str
    currency: str | None
    organization: str | None
    carrier: str | None
    amount: str


def put(connection: Connection, prefix: str, amount: str, currency: str, organization: Organization | None) -> int:
    """Set the price of a segment, in place of the one that was set for the same; returns its id.

    `prefix` are E.164 digits. Raises InvalidAmount, UnknownCurrency.
    """
    parse_amount(amount, currency)
    connection.execute(sa.delete(tables.prices).where(*_same(prefix, currency, organization)))
    owner = None if organization is None else organization.id
    values = {"prefix": prefix, "currency": currency, "organization_id": owner, "amount": amount}
    made = connection.execute(sa.insert(tables.prices).values(values).returning(tables.prices.c.id)).scalar_one()
    raise_version(connection)
    return int(made)


def remove(connection: Connection, prefix: str, currency: str, organization: Organization | None) -> int:
    """Take back a price that was set; returns its id. Raises NotThere."""
    gone = connection.execute(sa.delete(tables.prices).where(*_same(prefix, currency, organization)).returning(tables.prices.c.id)).scalar()
    if gone is None:
        whose = "" if organization is None else f" for {organization.name}"
        raise NotThere(f"No price in {currency} was set for {f'+{prefix}' if prefix else 'everywhere'}{whose}: see `clarion prices list`.")
    raise_version(connection)
    return int(gone)


def views(connection: Connection, organization_id: int | None = None) -> list[PriceView]:
    """All prices, or those that count for an organization beside those for all; the shortest prefix first."""
    p, o, c = tables.prices.c, tables.organizations.c, tables.carriers.c
    query = (
        sa.select(p.id, p.prefix, p.currency, o.name, c.name, p.amount)
        .outerjoin_from(tables.prices, tables.organizations, o.id == p.organization_id)
        .outerjoin(tables.carriers, c.id == p.carrier_id)
    )
    if organization_id is not None:
        query = query.where(sa.or_(p.organization_id.is_(None), p.organization_id == organization_id))
    return [PriceView(*row) for row in connection.execute(query.order_by(p.prefix, p.id))]


def _same(prefix: str, currency: str, organization: Organization | None) -> list[sa.ColumnElement[bool]]:
    p = tables.prices.c
    whose = p.organization_id.is_(None) if organization is None else p.organization_id == organization.id
    return [p.prefix == prefix, p.currency == currency, whose, p.carrier_id.is_(None)]
