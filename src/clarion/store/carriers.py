"""Carriers with their routes and prices, as people set them up: added, changed, removed; and what decides between several.

Every change raises the version, so that a running server takes it up at its next poll. From one that is changed nothing is taken away
that waits for it, also where it gets another prefix.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.core.carrier_url import only_receives, own_sender
from clarion.core.money import parse_amount, spell_amount
from clarion.core.routes import Routing
from clarion.store import owners, rows, tables
from clarion.store.catalog import SIMULATOR, raise_version
from clarion.store.errors import AlreadyThere, NotThere

SIMULATOR_PRICE = "1.00"

NOT_HELD = "no server holds it"

UNKNOWN_AFTER_S = 72 * 3600
"""Carriers try for three days at most: a receipt that has not come by then hardly will."""


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


@dataclass(frozen=True, slots=True)
class CarrierChange:
    """What is to be another; None stays. `url` has no password in it; `price` and `cost` are decimals for one segment.

    `prefix` ("" is everywhere) takes the price that the carrier brought along, and leaves what was accepted where it is. `weight` is its
    share among those of its prefix; of `senders`, the kinds that it takes, () is any.
    """

    url: str | None = None
    password: str | None = field(default=None, repr=False)
    price: str | None = None
    cost: str | None = None
    weight: int | None = None
    senders: Sequence[str] | None = None
    unknown_after_s: int | None = None
    unknown_policy: str | None = None
    prefix: str | None = None


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
    query = sa.select(b.carrier_id, b.owner, b.lease_until, b.slot, b.state, b.reason, b.since_at).order_by(b.slot)
    found = connection.execute(query).all()
    # On SQLite only the lock on the data folder tells, and that is not the database's.
    asked = [] if connection.dialect.name == "sqlite" else sorted({row.owner for row in found if row.owner is not None})
    gone = set(owners.gone_owners(connection, asked)) if asked else set()
    for carrier_id, owner, lease_until, slot, state, reason, since_at in found:
        held = owner is not None and lease_until > engine_now and owner not in gone
        view = BindView(slot, state, reason, since_at) if held else BindView(slot, "closed", NOT_HELD, since_at)
        binds.setdefault(carrier_id, []).append(view)
    routes, prices = tables.routes.c, tables.prices.c
    return [
        CarrierView(
            row.id,
            row.name,
            row.kind,
            row.url,
            None if row.cost is None else spell_amount(row.cost, None),
            ()
            if only_receives(row.url)
            else tuple(connection.execute(sa.select(routes.prefix).where(routes.carrier_id == row.id).order_by(routes.prefix)).scalars()),
            tuple(
                (prefix, spell_amount(amount, None))
                for prefix, amount in connection.execute(
                    sa.select(prices.prefix, prices.amount).where(prices.carrier_id == row.id).order_by(prices.prefix)
                )
            ),
            tuple(binds.get(row.id, ())),
            row.created_at,
            connection.execute(sa.select(routes.weight).where(routes.carrier_id == row.id).order_by(routes.id)).scalars().first() or 0,
            None if row.senders is None else tuple(row.senders.split()),
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


def change_carrier(connection: Connection, name: str, change: CarrierChange) -> int:
    """Change a carrier and return its id. What was accepted keeps its price.

    Raises NotThere, AlreadyThere for the built-in one, and InvalidAmount as `add_carrier`.
    """
    row = active_carrier(connection, name)
    if row.kind == SIMULATOR:
        raise AlreadyThere(f"{name!r} is the built-in carrier: every start with --simulator sets it up.")
    if change.prefix is not None:
        for table in (tables.routes, tables.prices):
            connection.execute(sa.update(table).where(table.c.carrier_id == row.id).values(prefix=change.prefix))
    if change.price is not None:
        check_price(connection, change.price)
        _put_price(connection, row.id, change.price)
    values: dict[str, str | int | None] = {"url": change.url, "password": change.password, "cost": change.cost}
    values |= {"unknown_after_s": change.unknown_after_s, "unknown_policy": change.unknown_policy}
    values = {column: value for column, value in values.items() if value is not None}
    if change.senders is not None:
        values["senders"] = " ".join(change.senders) or None
    if change.weight is not None:
        connection.execute(sa.update(tables.routes).where(tables.routes.c.carrier_id == row.id).values(weight=change.weight))
    if change.url is not None:
        _remember_sender(connection, row, change.url)
    if values:
        connection.execute(sa.update(tables.carriers).where(tables.carriers.c.id == row.id).values(values))
    raise_version(connection)
    return int(row.id)


def set_routing(connection: Connection, routing: Routing) -> None:
    """Let weights alone decide between the carriers of a prefix, or first what they cost."""
    connection.execute(sa.update(tables.settings).values(routing=routing))
    raise_version(connection)


def routing_of(connection: Connection) -> Routing:
    """What decides between the carriers of a prefix."""
    return Routing(connection.execute(sa.select(tables.settings.c.routing)).scalar_one())


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


def active_carrier(connection: Connection, name: str) -> sa.Row[Any]:
    """The row of an active carrier. Raises NotThere."""
    row = _carrier(connection, name)
    if row is None or row.state != "active":
        names = [carrier.name for carrier in list_carriers(connection)]
        raise NotThere(f"There is no carrier {name!r}; {'there are ' + ', '.join(names) if names else 'none was added yet'}.")
    return row


def _put_carrier(connection: Connection, kind: str, new: NewCarrier, now: int) -> int:
    """Insert a carrier, or put another in the place of the one that has its name, keeping the id."""
    senders = None if new.senders is None else " ".join(new.senders)
    values: dict[str, object] = {"kind": kind, "url": new.url, "password": new.password, "cost": new.cost, "state": "active"}
    values |= {"senders": senders, "health": "well", "health_reason": "", "health_since_at": 0, "outages": 0}
    values |= {"unknown_after_s": new.unknown_after_s, "unknown_policy": new.unknown_policy}
    known = _carrier(connection, new.name)
    if known is None:
        made = sa.insert(tables.carriers).values(name=new.name, created_at=now, **values).returning(tables.carriers.c.id)
        carrier_id = int(connection.execute(made).scalar_one())
    else:
        carrier_id = known.id
        _remember_sender(connection, known, new.url)
        _take_away(connection, carrier_id)
        connection.execute(sa.update(tables.carriers).where(tables.carriers.c.id == carrier_id).values(**values))
    connection.execute(sa.insert(tables.routes).values(prefix=new.prefix, carrier_id=carrier_id, weight=new.weight))
    if new.price is not None:
        connection.execute(sa.insert(tables.prices).values(prefix=new.prefix, carrier_id=carrier_id, amount=new.price))
    raise_version(connection)
    return carrier_id


def _remember_sender(connection: Connection, row: sa.Row[Any], url: str) -> None:
    """Keep what stood in for a sender, where the new URL says otherwise: phones answer to it for as long as they have its texts."""
    earlier = own_sender(row.url)
    if earlier != own_sender(url):
        rows.all(
            connection,
            "INSERT INTO carrier_senders (carrier_id, sender) VALUES (:carrier_id, :earlier) ON CONFLICT (carrier_id, sender) DO NOTHING",
            carrier_id=row.id,
            earlier=earlier,
        )


def own_senders(connection: Connection, carrier_id: int) -> set[str]:
    """What stands in, or once stood in, for the sender of a message that names none; "" where the carrier itself chose."""
    urls = rows.all(connection, "SELECT url FROM carriers WHERE id = :carrier_id", carrier_id=carrier_id)
    earlier = rows.all(connection, "SELECT sender FROM carrier_senders WHERE carrier_id = :carrier_id", carrier_id=carrier_id)
    return {own_sender(url) for (url,) in urls} | {sender for (sender,) in earlier}


def _take_away(connection: Connection, carrier_id: int) -> None:
    connection.execute(sa.update(tables.carriers).where(tables.carriers.c.id == carrier_id).values(state="removed"))
    connection.execute(sa.delete(tables.routes).where(tables.routes.c.carrier_id == carrier_id))
    connection.execute(sa.delete(tables.prices).where(tables.prices.c.carrier_id == carrier_id))
    raise_version(connection)


def _put_price(connection: Connection, carrier_id: int, amount: str) -> None:
    """One for each of its routes, in the place of what it brought before."""
    routes, prices = tables.routes.c, tables.prices.c
    connection.execute(sa.delete(tables.prices).where(prices.carrier_id == carrier_id))
    reach = connection.execute(sa.select(routes.prefix).where(routes.carrier_id == carrier_id).order_by(routes.id)).scalars().all()
    for prefix in reach:
        connection.execute(sa.insert(tables.prices).values(prefix=prefix, carrier_id=carrier_id, amount=amount))


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
