"""What an accept is decided by, as immutable snapshots: organizations and keys, carriers, routes and prices.

Every change of these goes through `raise_version`, and every poll reads the version, so that a command of the CLI works beside a
running server.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import cycle
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.core.carrier_url import only_receives, own_sender
from clarion.core.money import parse_amount
from clarion.core.routes import Health, Route, Routes, Routing
from clarion.core.routing import LongestPrefix
from clarion.core.sender import kind_of
from clarion.store import tables

SIMULATOR = "simulator"
"""The name and the kind of the built-in carrier."""


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
    failover_undelivered: bool = False


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
    """A carrier as it is configured. `url` has no password in it, and `password` stays out of every repr. `senders` None: any kind."""

    id: int
    name: str
    kind: str
    url: str
    password: str = field(repr=False)
    reference_form: str | None = None
    cost: str | None = None
    senders: frozenset[str] | None = None
    health: Health = Health.WELL

    def route(self, prefix: str, weight: int) -> Route:
        """What takes the numbers of a prefix."""
        cost = None if self.cost is None else Decimal(self.cost)
        return Route(prefix, self.id, weight, cost, self.senders, own_sender(self.url), self.health)


class Quote(NamedTuple):
    """Where a message to a number goes and what a segment of it costs its organization."""

    carrier_id: int
    price_milli: int


class Price(NamedTuple):
    """A row of `prices`: a decimal amount for one segment, for a currency or any, for an organization or all; maybe a carrier's."""

    prefix: str
    currency: str | None
    organization_id: int | None
    amount: str
    carrier_id: int | None = None
    id: int = 0


QUOTES_MAX = 10_000
"""Remembered quotes; a campaign to one country needs a few, one of random numbers must not grow the memory."""


class _Quotes(NamedTuple):
    """By the beginning of a number: that of its only carrier, or the round of those that share it, with the quote of each."""

    single: dict[str, Quote]
    shared: dict[str, tuple[tuple[int, ...], dict[int, Quote]]]


class Catalog:
    """Active carriers, their routes and all prices, as they were at `version`."""

    def __init__(
        self,
        version: int,
        carriers: list[Carrier],
        routes: list[tuple[str, int, int]],
        prices: list[Price],
        routing: Routing = Routing.WEIGHT,
    ) -> None:
        """`routes` are prefixes, the ids of their carriers, and weights."""
        self.version = version
        self.carriers = {carrier.id: carrier for carrier in carriers}
        ways = [self.carriers[carrier_id].route(prefix, weight) for prefix, carrier_id, weight in routes if carrier_id in self.carriers]
        sending = [way for way in ways if not only_receives(self.carriers[way.carrier_id].url)]
        real = [way for way in sending if not self.simulated(way.carrier_id)]
        self._routes = Routes(real, routing)
        self._someone_is_well = any(way.health is Health.WELL for way in real)
        self._simulated = Routes([way for way in sending if self.simulated(way.carrier_id)])
        # A carrier that only receives takes no message, so it says nothing of what messages cost.
        deaf = {carrier.id for carrier in carriers if only_receives(carrier.url)}
        self._prices = LongestPrefix([(price.prefix, price) for price in prices if price.carrier_id not in deaf])
        self._digits = max([self._routes.digits, self._simulated.digits, *(len(price.prefix) for price in prices)])
        self._quotes: dict[tuple[int, str | None], _Quotes] = {}
        self._orders: Counter[tuple[int, ...]] = Counter()

    def simulated(self, carrier_id: int) -> bool:
        """Whether this carrier is the built-in simulator."""
        carrier = self.carriers.get(carrier_id)
        return carrier is not None and carrier.kind == SIMULATOR

    def bypassed(self, carrier_id: int) -> bool:
        """Whether a carrier is out and others are well: they take what they can of what waits for it."""
        return self.carriers[carrier_id].health is Health.OUT and self._someone_is_well

    def carriers_for(self, recipient: int, sender: str | None) -> Sequence[int]:
        """All carriers that may take a message, in the order in which they are to be tried; none without a route.

        The longest prefix first, then by what routing goes by; those that are out behind all others. The simulator takes only what no
        other carrier fits, and carriers that only receive take nothing. `sender` None: each carrier's own.
        """
        return self._routes.in_order(recipient, sender) or self._simulated.in_order(recipient, sender)

    def shares(self, recipient: int, sender: str | None) -> tuple[int, ...]:
        """The carriers among which messages like this one are dealt out, in the order of dealing, once round; () without a route."""
        return self._routes.shares(recipient, sender) or self._simulated.shares(recipient, sender)

    def quoting(self, organization: Organization, sender: str | None) -> Callable[[int], Quote | None]:
        """For the messages of one order: asked for each recipient in turn, where it goes and what it costs; None without a route.

        What several carriers share is dealt out in turn, so that each has its exact share of every round. An order begins one place
        further than the one before, or else orders of one message would all go to the same carrier.
        """
        kind = None if sender is None else kind_of(sender)
        quotes = self._quotes.setdefault((organization.id, kind), _Quotes({}, {}))
        single, shared, digits = *quotes, self._digits
        rounds: dict[tuple[int, ...], Iterator[int]] = {}
        deals: dict[str, tuple[Iterator[int], dict[int, Quote]]] = {}

        def quote(recipient: int) -> Quote | None:
            found = single.get(beginning := str(recipient)[:digits])
            if found is not None:
                return found
            if beginning not in deals:
                if beginning not in shared:
                    self._remember(quotes, beginning, recipient, organization, sender)
                    return quote(recipient)
                shares, offers = shared[beginning]
                if not shares:
                    return None
                if shares not in rounds:
                    start = (self.version + self._orders[shares]) % len(shares)
                    self._orders[shares] += 1
                    rounds[shares] = cycle(shares[start:] + shares[:start])
                deals[beginning] = rounds[shares], offers
            turns, offers = deals[beginning]
            return offers[next(turns)]

        return quote

    def _remember(self, quotes: "_Quotes", beginning: str, recipient: int, organization: Organization, sender: str | None) -> None:
        if sum(len(each.single) + len(each.shared) for each in self._quotes.values()) >= QUOTES_MAX:
            for each in self._quotes.values():
                each.single.clear()
                each.shared.clear()
        shares, price_milli = self.shares(recipient, sender), self.price_of(recipient, organization)
        offers = {carrier_id: Quote(carrier_id, price_milli) for carrier_id in shares}
        if len(offers) == 1:
            quotes.single[beginning] = offers[shares[0]]
        else:
            quotes.shared[beginning] = (shares, offers)

    def price_of(self, recipient: int, organization: Organization) -> int:
        """The price of a segment, in thousandths of the minor unit. 0 where none was set, and where the organization is not billed."""
        if organization.billing == "none":
            return 0
        best = self.price_that_counts(recipient, organization.currency, organization.id)
        return 0 if best is None else parse_amount(best.amount, organization.currency)

    def price_that_counts(self, recipient: int, currency: str, organization_id: int | None) -> Price | None:
        """Of the prices for a number: the longest prefix, then the organization's own (without one: everybody's), then its currency's.

        Of those that several carriers brought for one prefix it is that of the one added first. A carrier that only receives has none.
        """
        fitting = [
            price
            for price in self._prices.candidates(recipient)
            if price.currency in {None, currency} and price.organization_id in {None, organization_id}
        ]
        return max(
            fitting, key=lambda price: (len(price.prefix), price.organization_id is not None, price.currency is not None), default=None
        )


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
    found = connection.execute(
        sa.select(c.id, c.name, c.kind, c.url, c.password, c.reference_form, c.cost, c.senders, c.health)
        .where(c.state == "active")
        .order_by(c.id)
    )
    carriers = [Carrier(*row[:7], None if row.senders is None else frozenset(row.senders.split()), Health(row.health)) for row in found]
    r = tables.routes.c
    routes = connection.execute(sa.select(r.prefix, r.carrier_id, r.weight).order_by(r.id))
    p = tables.prices.c
    prices = connection.execute(
        sa.select(p.prefix, p.currency, p.organization_id, p.amount, p.carrier_id, p.id).order_by(p.carrier_id, p.id)
    )
    version, routing = connection.execute(sa.select(tables.settings.c.version, tables.settings.c.routing)).one()
    return Catalog(
        version,
        carriers,
        [(prefix, carrier_id, weight) for prefix, carrier_id, weight in routes],
        [Price(*row) for row in prices],
        Routing(routing),
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
    tables.organizations.c.failover_undelivered,
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
