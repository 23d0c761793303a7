"""Organizations with their wallets and keys, as people set them up.

Every change raises the version, so that a running server takes it up at its next poll. Keys come in as text and stay as digests.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.core.money import minor_digits, parse_amount
from clarion.core.phone import default_region
from clarion.core.zones import main_zone
from clarion.store import money, tables
from clarion.store.catalog import load_organization, raise_version
from clarion.store.errors import AlreadyThere, NotThere

KEY_PREFIX = "tk_live_"

KEY_CHARACTERS = 32
"""Behind the prefix: letters and digits, 190 bits."""

HINT_CHARACTERS = 12
"""Of a key, kept to know it by: four characters tell a hundred keys apart and nobody anything."""

PLAY_MONEY = "10000.00"
"""What a first organization gets where there is only the simulator to pay."""


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


def _insert(connection: Connection, table: sa.Table, **values: object) -> int:
    found: Sequence[Any] = connection.execute(sa.insert(table).values(**values).returning(table.c.id)).one()
    return int(found[0])
