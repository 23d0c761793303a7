"""Templates: texts with a name that a person has approved. A version is never changed, another one is added."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.store import tables
from clarion.store.errors import StoreError

DRAFT, APPROVED, REJECTED = "draft", "approved", "rejected"


class NoTemplate(StoreError):
    """No template has this name or version; the message is a sentence for people that names what there is."""


class TemplateView(NamedTuple):
    """One version of a template. `state` is draft, approved or rejected; `in_use`: what is sent under its name."""

    organization_id: int
    name: str
    version: int
    text: str
    state: str
    created_at: int
    in_use: bool


def add(connection: Connection, organization_id: int, name: str, text: str, now: int) -> TemplateView:
    """Add a template, or the next version of the one that has this name. It is a draft: it is sent once it was approved."""
    c = tables.templates.c
    last = connection.execute(sa.select(sa.func.max(c.version)).where(c.organization_id == organization_id, c.name == name)).scalar()
    version = (last or 0) + 1
    connection.execute(
        sa.insert(tables.templates).values(
            organization_id=organization_id, name=name, version=version, text=text, state=DRAFT, created_at=now
        )
    )
    return TemplateView(organization_id, name, version, text, DRAFT, now, in_use=False)


def decide(connection: Connection, organization_id: int, name: str, version: int | None, state: str) -> TemplateView:
    """Approve or reject a version, the newest one for None. One that was approved may be rejected later. Raises NoTemplate."""
    found = find(connection, organization_id, name, version)
    c = tables.templates.c
    connection.execute(
        sa.update(tables.templates)
        .where(c.organization_id == organization_id, c.name == name, c.version == found.version)
        .values(state=state)
    )
    return find(connection, organization_id, name, found.version)


def find(connection: Connection, organization_id: int, name: str, version: int | None = None) -> TemplateView:
    """A version of a template, the newest one for None. Raises NoTemplate."""
    versions = [view for view in list_all(connection, organization_id) if view.name == name]
    if not versions:
        known = sorted({view.name for view in list_all(connection, organization_id)})
        raise NoTemplate(f"There is no template {name!r}; {'there are ' + ', '.join(known) if known else 'none was added yet'}.")
    if version is None:
        return versions[-1]
    for view in versions:
        if view.version == version:
            return view
    raise NoTemplate(f"The template {name!r} has no version {version}: it has 1 to {versions[-1].version}.")


def list_all(connection: Connection, organization_id: int | None = None) -> list[TemplateView]:
    """All versions of an organization's templates, or of all, by organization, name and version."""
    c = tables.templates.c
    query = sa.select(c.organization_id, c.name, c.version, c.text, c.state, c.created_at)
    if organization_id is not None:
        query = query.where(c.organization_id == organization_id)
    found = list(connection.execute(query.order_by(c.organization_id, c.name, c.version)))
    sent = {(row.organization_id, row.name): row.version for row in found if row.state == APPROVED}
    return [TemplateView(*row, in_use=sent.get((row.organization_id, row.name)) == row.version) for row in found]


def approved_text(connection: Connection, organization_id: int, name: str) -> str | None:
    """What is sent under this name: the newest version that was approved; None if there is none."""
    c = tables.templates.c
    query = sa.select(c.text).where(c.organization_id == organization_id, c.name == name, c.state == APPROVED)
    text: str | None = connection.execute(query.order_by(c.version.desc()).limit(1)).scalar()
    return text
