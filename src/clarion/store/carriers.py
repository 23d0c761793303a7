"""Changes of a carrier that stays: no route is taken away meanwhile, so what waits for it goes on waiting."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.core.routes import Routing
from clarion.store import tables
from clarion.store.catalog import raise_version
from clarion.store.tenants import SIMULATOR, AlreadyThere, active_carrier, check_price


@dataclass(frozen=True, slots=True)
class CarrierChange:
    """What is to be another; None stays. `url` has no password in it; `price` and `cost` are decimals for one segment.

    `weight` is its share among those of its prefix; of `senders`, the kinds that it takes, () is any.
    """

    url: str | None = None
    password: str | None = field(default=None, repr=False)
    price: str | None = None
    cost: str | None = None
    weight: int | None = None
    senders: Sequence[str] | None = None
    unknown_after_s: int | None = None
    unknown_policy: str | None = None


def change_carrier(connection: Connection, name: str, change: CarrierChange) -> int:
    """Change a carrier and return its id. What was accepted keeps its price.

    Raises NotThere, AlreadyThere for the built-in one, and InvalidAmount as `add_carrier`.
    """
    row = active_carrier(connection, name)
    if row.kind == SIMULATOR:
        raise AlreadyThere(f"{name!r} is the built-in carrier: every start with --simulator sets it up.")
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


def _put_price(connection: Connection, carrier_id: int, amount: str) -> None:
    """One for each of its routes, in the place of what it brought before."""
    routes, prices = tables.routes.c, tables.prices.c
    connection.execute(sa.delete(tables.prices).where(prices.carrier_id == carrier_id))
    reach = connection.execute(sa.select(routes.prefix).where(routes.carrier_id == carrier_id).order_by(routes.id)).scalars().all()
    for prefix in reach:
        connection.execute(sa.insert(tables.prices).values(prefix=prefix, carrier_id=carrier_id, amount=amount))
