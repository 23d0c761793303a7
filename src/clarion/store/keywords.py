"""Keywords: the sender ids that an organization has registered for Teekrr's `keyword`."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from clarion.store import tables
from clarion.store.errors import StoreError


class KeywordTaken(StoreError):
    """The keyword is registered already; the message is a sentence for people."""


class NoKeyword(StoreError):
    """The organization has no such keyword; the message is a sentence for people that names those it has."""


class KeywordView(NamedTuple):
    """A registered keyword."""

    organization_id: int
    keyword: str
    created_at: int


def add(connection: Connection, organization_id: int, keyword: str, now: int) -> None:
    """Register a keyword, whose form the caller has checked. Raises KeywordTaken."""
    if is_registered(connection, organization_id, keyword):
        raise KeywordTaken(f"The keyword {keyword!r} is registered already.")
    connection.execute(sa.insert(tables.keywords).values(organization_id=organization_id, keyword=keyword, created_at=now))


def remove(connection: Connection, organization_id: int, keyword: str) -> None:
    """Take a keyword away; what was accepted under it goes out. Raises NoKeyword."""
    c = tables.keywords.c
    if not connection.execute(sa.delete(tables.keywords).where(c.organization_id == organization_id, c.keyword == keyword)).rowcount:
        known = [view.keyword for view in list_all(connection, organization_id)]
        raise NoKeyword(f"There is no keyword {keyword!r}; {'there are ' + ', '.join(known) if known else 'none was registered yet'}.")


def list_all(connection: Connection, organization_id: int | None = None) -> list[KeywordView]:
    """The keywords of an organization, or of all, in alphabetical order."""
    c = tables.keywords.c
    query = sa.select(c.organization_id, c.keyword, c.created_at)
    if organization_id is not None:
        query = query.where(c.organization_id == organization_id)
    return [KeywordView(*row) for row in connection.execute(query.order_by(c.organization_id, c.keyword))]


def is_registered(connection: Connection, organization_id: int, keyword: str) -> bool:
    """Whether this is one of the organization's keywords, letter by letter."""
    c = tables.keywords.c
    query = sa.select(sa.literal(1)).where(c.organization_id == organization_id, c.keyword == keyword)
    return connection.execute(query).first() is not None
