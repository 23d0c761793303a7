"""Sender ids that an organization has registered; where registration is on, it may name no other."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.core.sender import same_sender
from clarion.store import tables
from clarion.store.catalog import raise_version
from clarion.store.errors import AlreadyThere, NotThere

KINDS = ("transactional", "promotional")


class Sender(NamedTuple):
    """A registered sender id. `network` None: for every network."""

    id: int
    sender: str
    kind: str
    network: str | None
    created_at: int


def add(connection: Connection, organization_id: int, sender: str, kind: str, network: str | None, now: int) -> int:
    """Register a sender id; returns its id. Raises AlreadyThere."""
    s = tables.senders.c
    if any(same_sender(known.sender) == same_sender(sender) for known in of_organization(connection, organization_id)):
        raise AlreadyThere(f"The sender {sender!r} is registered already.")
    values = {"organization_id": organization_id, "sender": sender, "kind": kind, "network": network, "created_at": now}
    made = connection.execute(sa.insert(tables.senders).values(values).returning(s.id)).scalar_one()
    raise_version(connection)
    return int(made)


def remove(connection: Connection, organization_id: int, sender: str) -> int:
    """Take a registration away; returns its id. Raises NotThere."""
    s = tables.senders.c
    gone = connection.execute(
        sa.delete(tables.senders).where(s.organization_id == organization_id, s.sender == sender).returning(s.id)
    ).scalar()
    if gone is None:
        names = [known.sender for known in of_organization(connection, organization_id)]
        raise NotThere(f"There is no sender {sender!r}; {'there are ' + ', '.join(names) if names else 'none was registered yet'}.")
    raise_version(connection)
    return int(gone)


def of_organization(connection: Connection, organization_id: int) -> list[Sender]:
    """In the order in which they were registered."""
    s = tables.senders.c
    found = connection.execute(
        sa.select(s.id, s.sender, s.kind, s.network, s.created_at).where(s.organization_id == organization_id).order_by(s.id)
    )
    return [Sender(*row) for row in found]
