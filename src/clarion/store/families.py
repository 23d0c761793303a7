"""Organizations that were made with another one's key: that key acts for them too."""

from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.store import rows, tables
from clarion.store.catalog import Organization, load_family
from clarion.store.interface import interactive
from clarion.store.tenants import NewOrganization, create_organization

SEPARATOR = "/"
"""Between the name of the organization that made it and its own: names are unique in the house, and two tenants may choose the same."""


class Relative(NamedTuple):
    """An organization that a key acts for. `name` is its own part of the name; `sent` counts the messages of all its broadcasts."""

    organization: Organization
    name: str
    created_at: int
    sent: int


@interactive
def create_child(connection: Connection, parent: Organization, name: str, contact_email: str, public_id: UUID, now: int) -> int:
    """Make an organization in the parent's currency, billing, region and zone, with an empty wallet of its own; returns its id.

    Raises AlreadyThere where the parent has made one of this name.
    """
    new = NewOrganization(f"{parent.name}{SEPARATOR}{name}", parent.currency, parent.billing, 0, parent.region, parent.zone)
    child_id = create_organization(connection, new, public_id, now)
    o = tables.organizations.c
    connection.execute(sa.update(tables.organizations).where(o.id == child_id).values(parent_id=parent.id, contact_email=contact_email))
    return child_id


def relatives(connection: Connection, organization_id: int) -> list[Relative]:
    """The organization itself, then those made with its keys, in the order in which they were made."""
    family = load_family(connection, organization_id)
    made = rows.all(
        connection,
        "SELECT o.id, o.created_at, coalesce((SELECT sum(b.last_id - b.first_id + 1) FROM broadcasts b"
        " WHERE b.organization_id = o.id AND b.state <> 'accepting'), 0) FROM organizations o"
        " WHERE o.id = :organization_id OR o.parent_id = :organization_id",
        organization_id=organization_id,
    )
    counted = {found_id: (created_at, int(sent)) for found_id, created_at, sent in made}
    prefix = next((each.name for each in family if each.id == organization_id), "") + SEPARATOR
    return [
        Relative(each, each.name if each.id == organization_id else each.name.removeprefix(prefix), *counted[each.id]) for each in family
    ]
