"""Prices that people set, for a prefix and a currency, for all organizations or one; which of all prices count, and what customers pay.

Those that a carrier brought are its own. The rule is the catalog's.
"""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.core.money import parse_amount, spell_amount
from clarion.store import tables
from clarion.store.catalog import Organization, load_catalog, load_organizations, raise_version
from clarion.store.errors import NotThere

FIRST_CURRENCY = "KES"
"""Of the organization that a first start makes: what counts where there is none yet."""


class PriceView(NamedTuple):
    """What a segment costs. `prefix` "" is everywhere; `currency` None any, `organization` None all; `carrier` brought it, if one did."""

    id: int
    prefix: str
    currency: str | None
    organization: str | None
    carrier: str | None
    amount: str
    counts: bool
    """Whether anybody pays it; what does not count stands behind another price for the same prefix."""


class Paid(NamedTuple):
    """What everybody in a currency pays for a segment: a decimal, None where no price was set. `carrier` brought it, if one did."""

    currency: str
    amount: str | None
    prefix: str
    carrier: str | None


class PaidFor(NamedTuple):
    """What customers pay for the numbers of a prefix. `routed`: whether a carrier takes them; `own` organizations have their own price.

    `longer` tells whether some of these numbers have a price of a longer prefix. Without `everybody` no organization is billed.
    """

    prefix: str
    routed: bool
    everybody: tuple[Paid, ...]
    own: int
    longer: bool


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
    """All prices, or those of an organization beside those for all and whether they count for it; the shortest prefix first."""
    p, o, c = tables.prices.c, tables.organizations.c, tables.carriers.c
    query = (
        sa.select(p.id, p.prefix, p.currency, o.name, c.name, p.amount, p.organization_id)
        .outerjoin_from(tables.prices, tables.organizations, o.id == p.organization_id)
        .outerjoin(tables.carriers, c.id == p.carrier_id)
    )
    if organization_id is not None:
        query = query.where(sa.or_(p.organization_id.is_(None), p.organization_id == organization_id))
    catalog, organizations = load_catalog(connection), {each.id: each for each in load_organizations(connection)}
    currencies = {each.currency for each in organizations.values()} or {FIRST_CURRENCY}

    def counts(price_id: int, prefix: str, currency: str | None, whose: int | None) -> bool:
        asked = currencies if currency is None else {currency}
        if whose is not None:
            asked = {organizations[whose].currency}
        best = (catalog.price_that_counts(int(prefix or 0), each, whose) for each in asked)
        return any(price is not None and price.id == price_id for price in best)

    return [
        PriceView(
            row.id, row.prefix, row.currency, *row[3:5], spell_amount(row.amount, row.currency), counts(*row[:3], organization_id or row[6])
        )
        for row in connection.execute(query.order_by(p.prefix, p.id))
    ]


def reach_of(connection: Connection, carrier: str) -> list[str]:
    """The prefixes that a carrier has, also while it only receives; none where it is not there."""
    r, c = tables.routes.c, tables.carriers.c
    query = sa.select(r.prefix).join_from(tables.routes, tables.carriers, c.id == r.carrier_id).where(c.name == carrier)
    return list(connection.execute(query.order_by(r.prefix)).scalars())


def paid_for(connection: Connection, prefix: str) -> PaidFor:
    """What customers pay from now on for the numbers of a prefix."""
    catalog, organizations = load_catalog(connection), load_organizations(connection)
    billed = [each for each in organizations if each.billing != "none"]
    # No number begins with 0, so 0 has what holds for all numbers.
    number = int(prefix or 0)
    everybody = []
    for currency in sorted({each.currency for each in billed}) or ([] if organizations else [FIRST_CURRENCY]):
        price = catalog.price_that_counts(number, currency, None)
        if price is None:
            everybody.append(Paid(currency, None, "", None))
        else:
            carrier = None if price.carrier_id is None else catalog.carriers[price.carrier_id].name
            everybody.append(Paid(currency, spell_amount(price.amount, currency), price.prefix, carrier))
    theirs = (catalog.price_that_counts(number, each.currency, each.id) for each in billed)
    own = sum(1 for price in theirs if price is not None and price.organization_id is not None)
    p = tables.prices.c
    longer = sa.select(sa.func.count()).where(p.prefix.startswith(prefix), sa.func.length(p.prefix) > len(prefix))
    return PaidFor(prefix, bool(catalog.carriers_for(number, None)), tuple(everybody), own, bool(connection.execute(longer).scalar_one()))


def _same(prefix: str, currency: str, organization: Organization | None) -> list[sa.ColumnElement[bool]]:
    p = tables.prices.c
    whose = p.organization_id.is_(None) if organization is None else p.organization_id == organization.id
    return [p.prefix == prefix, p.currency == currency, whose, p.carrier_id.is_(None)]
