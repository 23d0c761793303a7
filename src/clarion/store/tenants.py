"""What people set up: organizations with their wallets, keys, carriers with their routes and prices.

Every change raises the version, so that a running server takes it up at its next poll. Keys come in as text and stay as digests.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.core.carrier_url import only_receives
from clarion.core.money import minor_digits, parse_amount
from clarion.core.phone import default_region
from clarion.core.zones import main_zone
from clarion.store import money, owners, tables
from clarion.store.catalog import load_organization, raise_version
from clarion.store.errors import StoreError

KEY_PREFIX = "tk_live_"

KEY_CHARACTERS = 32
"""Behind the prefix: letters and digits, 190 bits."""

HINT_CHARACTERS = 12
"""Of a key, kept to know it by: four characters tell a hundred keys apart and nobody anything."""

SIMULATOR = "simulator"
"""The name and the kind of the built-in carrier."""

SIMULATOR_PRICE = "1.00"

UNKNOWN_AFTER_S = 72 * 3600
"""Carriers try for three days at most: a receipt that has not come by then hardly will."""

PLAY_MONEY = "10000.00"
"""What a first organization gets where there is only the simulator to pay."""


class AlreadyThere(StoreError):
    """The name is taken; the message is a sentence for people."""


class NotThere(StoreError):
    """Nothing has this name or id; the message is a sentence for people that names what there is."""


@dataclass(frozen=True, slots=True)
class NewOrganization:
    """An organization to be made. `limit_milli` is how far its wallet may go below 0; `region` and `zone` follow from the currency."""

    name: str
    currency: str = "KES"
    billing: str = "prepaid"
    limit_milli: int = 0
    region: str | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made. `scopes` None: all of them; `face` None: every face; `networks` None: from everywhere."""

    organization_id: int
    name: str
    scopes: tuple[str, ...] | None = None
    face: str | None = None
    networks: tuple[str, ...] | None = None
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class NewCarrier:
    """A carrier to be added. `url` has no password in it; `prefix` are E.164 digits, "" for everywhere.

    `price` is a decimal for one segment, in whatever currency an organization has; None adds no price. `cost` is what the carrier takes.
    `weight` is its share among those of its prefix, `senders` are the kinds that it takes (None: any). After `unknown_after_s` without an
    answer or a receipt a message is closed, or sent again (`unknown_policy`: close or resend).
    """

    name: str
    url: str
    password: str = field(repr=False)
    prefix: str = ""
    price: str | None = None
    cost: str | None = None
    weight: int = 1
    senders: Sequence[str] | None = None
    unknown_after_s: int = UNKNOWN_AFTER_S
    unknown_policy: str = "close"


class KeyView(NamedTuple):
    """A key as it may be shown."""

    id: int
    organization: str
    name: str
    hint: str
    scopes: tuple[str, ...] | None
    face: str | None
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    networks: tuple[str, ...] | None = None


class BindView(NamedTuple):
    """One connection of a carrier: `state` is connecting, bound, refused or closed, `reason` why, in the carrier's own words."""

    slot: int
    state: str
    reason: str
    since_at: int


class CarrierView(NamedTuple):
    """A carrier as it may be shown, with the prefixes routed to it and what it brought as prices. `health_since_at` 0: from the first."""

    id: int
    name: str
    kind: str
    url: str
    cost: str | None
    prefixes: tuple[str, ...]
    prices: tuple[tuple[str, str], ...]
    binds: tuple[BindView, ...]
    created_at: int
    weight: int
    senders: tuple[str, ...] | None
    health: str
    health_reason: str
    health_since_at: int
    unknown_after_s: int
    unknown_policy: str


class Removed(NamedTuple):
    """A carrier that was removed. The messages that were `waiting` for it take another route, or are refused and not charged."""

    id: int
    waiting: int


def create_organization(connection: Connection, new: NewOrganization, public_id: UUID, now: int) -> int:
    """Make an organization and its empty wallet; returns its id.

    Raises AlreadyThere, UnknownCurrency, and InvalidAmount where a price for all currencies has more decimals than this one is
    counted to.
    """
    minor_digits(new.currency)
    if load_organization(connection, new.name) is not None:
        raise AlreadyThere(f"There is an organization {new.name!r} already.")
    for (amount,) in connection.execute(sa.select(tables.prices.c.amount).where(tables.prices.c.currency.is_(None))):
        parse_amount(amount, new.currency)
    region = new.region or default_region(new.currency)
    organization_id = _insert(
        connection,
        tables.organizations,
        public_id=public_id,
        name=new.name,
        currency=new.currency,
        billing=new.billing,
        limit_milli=new.limit_milli,
        region=region,
        zone=new.zone or main_zone(region),
        created_at=now,
    )
    connection.execute(sa.insert(tables.wallets).values(organization_id=organization_id, available_milli=0))
    raise_version(connection)
    return organization_id


def change_organization(connection: Connection, name: str, changes: Mapping[str, object]) -> None:
    """Set columns of an organization: what `clarion organizations set` names, limit_milli, rate_limited and refunds_failed among them.

    Raises NotThere.
    """
    o = tables.organizations.c
    if not connection.execute(sa.update(tables.organizations).where(o.name == name).values(dict(changes))).rowcount:
        raise NotThere(f"There is no organization {name!r}: `clarion organizations list` shows them.")
    raise_version(connection)


def ensure_default(connection: Connection, public_id: UUID, token: str, simulated: bool, now: int) -> bool:
    """Make the organization `default` with a key, unless there is any organization; returns whether it did.

    With `simulated` it gets money to play with.
    """
    if connection.execute(sa.select(tables.organizations.c.id).limit(1)).first() is not None:
        return False
    new = NewOrganization("default")
    organization_id = create_organization(connection, new, public_id, now)
    create_key(connection, NewKey(organization_id, "default"), token, now)
    if simulated:
        money.top_up(connection, organization_id, parse_amount(PLAY_MONEY, new.currency), now)
    return True


def create_key(connection: Connection, new: NewKey, token: str, now: int) -> int:
    """Let this text open the organization; returns the key's id. The text itself is kept nowhere."""
    key_id = _insert(
        connection,
        tables.keys,
        organization_id=new.organization_id,
        name=new.name,
        hint=token[:HINT_CHARACTERS],
        digest=hashlib.sha256(token.encode()).digest(),
        scopes=None if new.scopes is None else " ".join(new.scopes),
        face=new.face,
        networks=None if new.networks is None else " ".join(new.networks),
        expires_at=new.expires_at,
        created_at=now,
    )
    raise_version(connection)
    return key_id


def list_keys(connection: Connection, organization_id: int | None = None) -> list[KeyView]:
    """The keys of an organization, or of all, the oldest first, revoked ones too."""
    k = tables.keys.c
    query = sa.select(
        k.id, tables.organizations.c.name, k.name, k.hint, k.scopes, k.face, k.created_at, k.expires_at, k.revoked_at, k.networks
    ).join_from(tables.keys, tables.organizations)
    if organization_id is not None:
        query = query.where(k.organization_id == organization_id)
    found = [KeyView._make(row) for row in connection.execute(query.order_by(k.id))]
    return [key._replace(scopes=_words(key.scopes), networks=_words(key.networks)) for key in found]


def _words(text: object) -> tuple[str, ...] | None:
    return None if text is None else tuple(str(text).split())


def revoke_key(connection: Connection, key_id: int, now: int) -> KeyView:
    """End a key for good; a second time changes nothing. Raises NotThere."""
    k = tables.keys.c
    changed = connection.execute(sa.update(tables.keys).where(k.id == key_id, k.revoked_at.is_(None)).values(revoked_at=now)).rowcount
    if changed:
        raise_version(connection)
    key = next((key for key in list_keys(connection) if key.id == key_id), None)
    if key is None:
        raise NotThere(f"There is no key {key_id}: `clarion keys list` shows the keys.")
    return key


def add_carrier(connection: Connection, new: NewCarrier, now: int) -> int:
    """Add a carrier with its route and its price; returns its id.

    One that was removed under this name comes back with its id, so that receipts it still owes find their messages, but not while
    messages wait for it: they were to be refused. Raises AlreadyThere, and InvalidAmount for a price with more decimals than the
    currency of some organization is counted to.
    """
    if new.name == SIMULATOR:
        raise AlreadyThere(f"{SIMULATOR!r} is the name of the built-in carrier.")
    if new.price is not None:
        check_price(connection, new.price)
    known = _carrier(connection, new.name)
    if known is not None and known.state == "active":
        raise AlreadyThere(f"There is a carrier {new.name!r} already.")
    if known is not None and (waiting := _waiting(connection, known.id)):
        raise AlreadyThere(
            f"The carrier {new.name!r} was removed and {waiting} messages still wait for it; a running server refuses them within seconds."
        )
    return _put_carrier(connection, "smpp", new, now)


def check_price(connection: Connection, price: str) -> None:
    """Raises InvalidAmount for a price with more decimals than the currency of some organization is counted to."""
    for currency in connection.execute(sa.select(tables.organizations.c.currency).distinct()).scalars():
        parse_amount(price, currency)


def list_carriers(connection: Connection) -> list[CarrierView]:
    """The active carriers by name. A bind that no living process holds is closed, whatever was last written of it."""
    engine_now = owners.engine_now(connection)
    c, b = tables.carriers.c, tables.binds.c
    binds: dict[int, list[BindView]] = {}
    found = connection.execute(sa.select(b.carrier_id, b.owner, b.lease_until, b.slot, b.state, b.reason, b.since_at).order_by(b.slot))
    for carrier_id, owner, lease_until, slot, state, reason, since_at in found:
        held = owner is not None and lease_until > engine_now
        view = BindView(slot, state, reason, since_at) if held else BindView(slot, "closed", "no server holds it", since_at)
        binds.setdefault(carrier_id, []).append(view)
    routes, prices = tables.routes.c, tables.prices.c
    return [
        CarrierView(
            row.id,
            row.name,
            row.kind,
            row.url,
            row.cost,
            ()
            if only_receives(row.url)
            else tuple(connection.execute(sa.select(routes.prefix).where(routes.carrier_id == row.id).order_by(routes.prefix)).scalars()),
            tuple(
                (prefix, amount)
                for prefix, amount in connection.execute(
                    sa.select(prices.prefix, prices.amount).where(prices.carrier_id == row.id).order_by(prices.prefix)
                )
            ),
            tuple(binds.get(row.id, ())),
            row.created_at,
            connection.execute(sa.select(routes.weight).where(routes.carrier_id == row.id).order_by(routes.id)).scalars().first() or 0,
            _words(row.senders),
            row.health,
            row.health_reason,
            row.health_since_at,
            row.unknown_after_s,
            row.unknown_policy,
        )
        for row in connection.execute(sa.select(tables.carriers).where(c.state == "active").order_by(c.name))
    ]


def carrier_login(connection: Connection, name: str) -> tuple[str, str]:
    """The URL and the password of an active carrier, to try it. Raises NotThere."""
    row = active_carrier(connection, name)
    return row.url, row.password


def remove_carrier(connection: Connection, name: str) -> Removed:
    """Send nothing more through a carrier, and take away its routes and prices. Raises NotThere."""
    row = active_carrier(connection, name)
    _take_away(connection, row.id)
    return Removed(row.id, _waiting(connection, row.id))


def put_simulator(connection: Connection, url: str, now: int) -> int:
    """Make the built-in simulator a carrier for everything that no other takes; returns its id."""
    return _put_carrier(connection, SIMULATOR, NewCarrier(SIMULATOR, url, "", "", SIMULATOR_PRICE), now)


def retire_simulator(connection: Connection) -> bool:
    """Make the simulator no carrier any more; returns whether it was one."""
    row = _carrier(connection, SIMULATOR)
    if row is None or row.state != "active":
        return False
    _take_away(connection, row.id)
    return True


def _put_carrier(connection: Connection, kind: str, new: NewCarrier, now: int) -> int:
    """Insert a carrier, or put another in the place of the one that has its name, keeping the id."""
    senders = None if new.senders is None else " ".join(new.senders)
    values: dict[str, object] = {"kind": kind, "url": new.url, "password": new.password, "cost": new.cost, "state": "active"}
    values |= {"senders": senders, "health": "well", "health_reason": "", "health_since_at": 0, "outages": 0}
    values |= {"unknown_after_s": new.unknown_after_s, "unknown_policy": new.unknown_policy}
    known = _carrier(connection, new.name)
    if known is None:
        carrier_id = _insert(connection, tables.carriers, name=new.name, created_at=now, **values)
    else:
        carrier_id = known.id
        _take_away(connection, carrier_id)
        connection.execute(sa.update(tables.carriers).where(tables.carriers.c.id == carrier_id).values(**values))
    connection.execute(sa.insert(tables.routes).values(prefix=new.prefix, carrier_id=carrier_id, weight=new.weight))
    if new.price is not None:
        connection.execute(sa.insert(tables.prices).values(prefix=new.prefix, carrier_id=carrier_id, amount=new.price))
    raise_version(connection)
    return carrier_id


def _take_away(connection: Connection, carrier_id: int) -> None:
    connection.execute(sa.update(tables.carriers).where(tables.carriers.c.id == carrier_id).values(state="removed"))
    connection.execute(sa.delete(tables.routes).where(tables.routes.c.carrier_id == carrier_id))
    connection.execute(sa.delete(tables.prices).where(tables.prices.c.carrier_id == carrier_id))
    raise_version(connection)


def active_carrier(connection: Connection, name: str) -> sa.Row[Any]:
    """The row of an active carrier. Raises NotThere."""
    row = _carrier(connection, name)
    if row is None or row.state != "active":
        names = [carrier.name for carrier in list_carriers(connection)]
        raise NotThere(f"There is no carrier {name!r}; {'there are ' + ', '.join(names) if names else 'none was added yet'}.")
    return row


def _carrier(connection: Connection, name: str) -> sa.Row[Any] | None:
    return connection.execute(sa.select(tables.carriers).where(tables.carriers.c.name == name)).first()


def _waiting(connection: Connection, carrier_id: int) -> int:
    """Messages that were routed to a carrier and not yet marked, and retries that are due there."""
    c, d = tables.chunks.c, tables.deliveries.c
    unmarked = sa.select(sa.func.coalesce(sa.func.sum(c.last_id - c.marked_id), 0)).where(
        c.carrier_id == carrier_id, c.state.in_(["waiting", "ready", "claimed"])
    )
    retries = sa.select(sa.func.count()).select_from(tables.deliveries).where(d.carrier_id == carrier_id, d.state == "retry")
    return int(connection.execute(unmarked).scalar_one()) + int(connection.execute(retries).scalar_one())


def _insert(connection: Connection, table: sa.Table, **values: object) -> int:
    found: Sequence[Any] = connection.execute(sa.insert(table).values(**values).returning(table.c.id)).one()
    return int(found[0])
