"""What an accept is decided by, as immutable snapshots: organizations and keys, carriers, routes and prices.

Every change of these goes through `raise_version`, and every poll reads the version, so that a command of the CLI works beside a
running server.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.core.carrier_url import only_receives
from clarion.core.money import parse_amount
from clarion.core.routing import LongestPrefix
from clarion.store import tables


@dataclass(frozen=True, slots=True)
class Organization:
    """A tenant. `limit_milli` is how far its wallet may go below 0; `billing` is prepaid, postpaid or none.

    `registered_senders`: only those in `senders` may be named. `parent_id` is the organization whose keys act for it too.
    """

    id: int
    public_id: UUID
    name: str
    currency: str
    billing: str
    limit_milli: int
    region: str
    zone: str
    default_sender: str | None
    refunds_failed: bool = False
    registered_senders: bool = False
    rate_limited: bool = True
    parent_id: int | None = None
    contact_email: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """An API key. `scopes` None: all of them; `face` None: every face; `networks` None: from everywhere."""

    id: int
    organization: Organization
    name: str
    scopes: frozenset[str] | None
    face: str | None
    expires_at: int | None
    revoked_at: int | None
    networks: tuple[IPv4Network | IPv6Network, ...] | None = None


@dataclass(frozen=True, slots=True)
class Carrier:
    """A carrier as it is configured. `url` has no password in it, and `password` stays out of every repr."""

    id: int
    name: str
    kind: str
    url: str
    password: str = field(repr=False)
    reference_form: str | None = None


class Quote(NamedTuple):
    """Where a message to a number goes and what a segment of it costs its organization."""

    carrier_id: int
    price_milli: int


class Price(NamedTuple):
    """A row of `prices`: a decimal amount for one segment, for a currency or any, for an organization or all."""

    prefix: str
    currency: str | None
    organization_id: int | None
    amount: str


QUOTES_MAX = 10_000
"""Remembered quotes; a campaign to one country needs a few, one of random numbers must not grow the memory."""


class Catalog:
    """Active carriers, their routes and all prices, as they were at `version`."""

    def __init__(self, version: int, carriers: list[Carrier], routes: list[tuple[str, int]], prices: list[Price]) -> None:
        self.version = version
        self.carriers = {carrier.id: carrier for carrier in carriers}
        sending = {carrier.id for carrier in carriers if not only_receives(carrier.url)}
        self._routes = LongestPrefix([route for route in routes if route[1] in sending])
        self._prices = LongestPrefix([(price.prefix, price) for price in prices])
        self._digits = max((len(prefix) for prefix in [*(route[0] for route in routes), *(price.prefix for price in prices)]), default=0)
        self._quotes: dict[tuple[int, str], Quote | None] = {}

    def simulated(self, carrier_id: int) -> bool:
        """Whether this carrier is the built-in simulator."""
        carrier = self.carriers.get(carrier_id)
        return carrier is not None and carrier.kind == "simulator"

    def quote(self, recipient: int, organization: Organization) -> Quote | None:
        """Where a message to this number goes and what it costs; None without a route."""
        key = (organization.id, str(recipient)[: self._digits])
        try:
            return self._quotes[key]
        except KeyError:
            pass
        if len(self._quotes) >= QUOTES_MAX:
            self._quotes.clear()
        carrier_id = self.carrier_of(recipient)
        quote = None if carrier_id is None else Quote(carrier_id, self.price_of(recipient, organization))
        self._quotes[key] = quote
        return quote

    def carrier_of(self, recipient: int) -> int | None:
        """The carrier for a number: the longest prefix that fits; the simulator takes only what no other carrier fits."""
        found = self._routes.candidates(recipient)
        return next((carrier for carrier in found if not self.simulated(carrier)), found[0] if found else None)

    def price_of(self, recipient: int, organization: Organization) -> int:
        """The price of a segment, in thousandths of the minor unit: the longest prefix, then the organization's own, then its currency's.

        0 where no price was set, and where the organization is not billed.
        """
        fitting = [
            price
            for price in self._prices.candidates(recipient)
            if price.currency in {None, organization.currency} and price.organization_id in {None, organization.id}
        ]
        if organization.billing == "none" or not fitting:
            return 0
        best = max(fitting, key=lambda price: (len(price.prefix), price.organization_id is not None, price.currency is not None))
        return parse_amount(best.amount, organization.currency)


def raise_version(connection: Connection) -> int:
    """Tell every process that keys, carriers, routes, prices or opt-outs have changed."""
    statement = sa.update(tables.settings).values(version=tables.settings.c.version + 1).returning(tables.settings.c.version)
    return int(connection.execute(statement).scalar_one())


def read_version(connection: Connection) -> int:
    """The version that the settings have now."""
    return int(connection.execute(sa.select(tables.settings.c.version)).scalar_one())


def load_catalog(connection: Connection) -> Catalog:
    """The catalog as it is in this transaction."""
    c = tables.carriers.c
    carriers = connection.execute(
        sa.select(c.id, c.name, c.kind, c.url, c.password, c.reference_form).where(c.state == "active").order_by(c.id)
    )
    routes = connection.execute(sa.select(tables.routes.c.prefix, tables.routes.c.carrier_id).order_by(tables.routes.c.id))
    p = tables.prices.c
    prices = connection.execute(sa.select(p.prefix, p.currency, p.organization_id, p.amount).order_by(p.id))
    return Catalog(
        read_version(connection),
        [Carrier(*row) for row in carriers],
        [(prefix, carrier_id) for prefix, carrier_id in routes],
        [Price(*row) for row in prices],
    )


_ORGANIZATION = (
    tables.organizations.c.id,
    tables.organizations.c.public_id,
    tables.organizations.c.name,
    tables.organizations.c.currency,
    tables.organizations.c.billing,
    tables.organizations.c.limit_milli,
    tables.organizations.c.region,
    tables.organizations.c.zone,
    tables.organizations.c.default_sender,
    tables.organizations.c.refunds_failed,
    tables.organizations.c.registered_senders,
    tables.organizations.c.rate_limited,
    tables.organizations.c.parent_id,
    tables.organizations.c.contact_email,
)


def load_organization(connection: Connection, name: str) -> Organization | None:
    """The organization of this name."""
    row = connection.execute(sa.select(*_ORGANIZATION).where(tables.organizations.c.name == name)).first()
    return None if row is None else Organization(*row)


def load_organizations(connection: Connection) -> list[Organization]:
    """All organizations, by name."""
    found = connection.execute(sa.select(*_ORGANIZATION).order_by(tables.organizations.c.name))
    return [Organization(*row) for row in found]


def load_family(connection: Connection, organization_id: int) -> list[Organization]:
    """The organization itself, then those that were made with its keys and that they act for too."""
    o = tables.organizations.c
    found = connection.execute(
        sa.select(*_ORGANIZATION).where(sa.or_(o.id == organization_id, o.parent_id == organization_id)).order_by(o.id)
    )
    return sorted((Organization(*row) for row in found), key=lambda each: each.id != organization_id)


def load_key(connection: Connection, digest: bytes) -> Key | None:
    """The key with this SHA-256, revoked and expired ones too: its user is told which of both it is."""
    k = tables.keys.c
    row = connection.execute(
        sa.select(k.id, k.name, k.scopes, k.face, k.expires_at, k.revoked_at, k.networks, *_ORGANIZATION)
        .join_from(tables.keys, tables.organizations)
        .where(k.digest == digest)
    ).first()
    if row is None:
        return None
    key_id, name, scopes, face, expires_at, revoked_at, networks, *organization = row
    return Key(
        id=key_id,
        organization=Organization(*organization),
        name=name,
        scopes=None if scopes is None else frozenset(scopes.split()),
        face=face,
        expires_at=expires_at,
        revoked_at=revoked_at,
        networks=None if networks is None else tuple(ip_network(network) for network in networks.split()),
    )
