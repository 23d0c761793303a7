"""A person who is forgotten: number and texts go from every row that has them. Sums, states and opt-outs stay.

The number becomes ERASED in messages, which keep their prices and states. Every function takes a slice and may be run again.
"""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.phone import parse
from clarion.core.states import HELD
from clarion.store import rows
from clarion.store.candidates import DAY_MICROS, REFERENCE_DAYS_MAX

ERASED = 0
"""The number of a message whose recipient was forgotten; no phone has it."""

SLICE = 500

PAGE = 5_000
"""Rows in one look at tables that no index of numbers has."""

LIKENESS = 6
"""A spelling of a number ends in its last digits, whatever stands before and between."""

ANYWHERE = "ZZ"
"""No country (ISO 3166): what is in international form needs none."""

_HELD = ", ".join(f"'{state}'" for state in sorted(HELD))
_ENDED = f"d.state NOT IN ({_HELD}) AND (d.state <> 'sent' OR coalesce(d.sent_at, d.updated_at) < :sent_before)"
_NOT_DIGIT = re.compile(r"\D", re.ASCII)


class Traces(NamedTuple):
    """What organizations know of a number: messages that have ended and that have not, contacts, opt-outs.

    `others`: organizations that were not asked for know it too.
    """

    ended: int
    open: int
    contacts: int
    opt_outs: int
    others: bool


class Found(NamedTuple):
    """A page of a table: where the next one begins (None at the end), and the keys of the rows that are the person's."""

    after: tuple[int, ...] | None
    keys: list[tuple[int, ...]]


def receipts_before(now: int) -> int:
    """Messages that were sent before then have no receipt any more: for one, the number would be needed."""
    return now - REFERENCE_DAYS_MAX * DAY_MICROS


def traces(connection: Connection, recipient: int, organization_ids: Sequence[int], sent_before: int) -> Traces:
    """A message `sent` after `sent_before` has not ended: its receipt may come, and must find it."""
    by_organization: dict[int, list[int]] = {}
    for organization_id, ended in rows.all(
        connection,
        f"SELECT m.organization_id, CASE WHEN {_ENDED} THEN 1 ELSE 0 END FROM messages m"
        " LEFT JOIN deliveries d ON d.message_id = m.id WHERE m.recipient = :recipient",
        recipient=recipient,
        sent_before=sent_before,
    ):
        by_organization.setdefault(organization_id, []).append(ended)
    counts: dict[str, dict[int, int]] = {}
    for table in ("contacts", "suppressions"):
        text = f"SELECT organization_id, count(*) FROM {table} WHERE recipient = :recipient GROUP BY organization_id"
        counts[table] = dict(tuple(row) for row in rows.all(connection, text, recipient=recipient))
    meant = [ended for organization_id in organization_ids for ended in by_organization.get(organization_id, [])]
    return Traces(
        ended=sum(meant),
        open=len(meant) - sum(meant),
        contacts=sum(counts["contacts"].get(each, 0) for each in organization_ids),
        opt_outs=sum(counts["suppressions"].get(each, 0) for each in organization_ids),
        others=bool(({*by_organization} | {*counts["contacts"]}) - {*organization_ids}),
    )


def erase_messages(connection: Connection, recipient: int, organization_ids: Sequence[int], sent_before: int) -> int:
    """Erase number and text of messages that have ended; returns how many. The text of a single send is its broadcast's."""
    _overwrite_what_is_deleted(connection)
    found = rows.execute(
        connection,
        "SELECT m.id, m.broadcast_id FROM v JOIN messages m ON m.organization_id = v.id JOIN deliveries d ON d.message_id = m.id"
        f" WHERE m.recipient = :recipient AND {_ENDED} LIMIT :slice",
        v=({"id": "bigint"}, [(each,) for each in organization_ids]),
        recipient=recipient,
        sent_before=sent_before,
        slice=SLICE,
    )
    rows.execute(
        connection,
        "UPDATE messages SET recipient = :erased, text = CASE WHEN text IS NULL THEN NULL ELSE '' END WHERE id IN (SELECT id FROM v)",
        v=({"id": "bigint"}, [(message_id,) for message_id, _ in found]),
        erased=ERASED,
    )
    rows.execute(
        connection,
        "UPDATE broadcasts SET text = '' WHERE id IN (SELECT id FROM v) AND first_id = last_id",
        v=({"id": "bigint"}, [(broadcast_id,) for broadcast_id in sorted({broadcast_id for _, broadcast_id in found})]),
    )
    return len(found)


def erase_contacts(connection: Connection, recipient: int, organization_ids: Sequence[int]) -> int:
    """Delete contacts with everything that was known of them; returns how many."""
    _overwrite_what_is_deleted(connection)
    return rows.change(
        connection,
        "DELETE FROM contacts WHERE recipient = :recipient AND organization_id IN (SELECT id FROM v)",
        v=({"id": "bigint"}, [(each,) for each in organization_ids]),
        recipient=recipient,
    )


def find_rejects(connection: Connection, recipient: int, organization_ids: Collection[int], after: tuple[int, ...] | None) -> Found:
    """Refused recipients that are this number, as their organization's country reads them."""
    page = rows.all(
        connection,
        "SELECT r.broadcast_id, r.position, r.recipient, o.region, o.id FROM rejects r JOIN broadcasts b ON b.id = r.broadcast_id"
        " JOIN organizations o ON o.id = b.organization_id WHERE (r.broadcast_id, r.position) > (:broadcast_id, :position)"
        " ORDER BY r.broadcast_id, r.position LIMIT :page",
        broadcast_id=after[0] if after else -1,
        position=after[1] if after else -1,
        page=PAGE,
    )
    keys: list[tuple[int, ...]] = [
        (broadcast_id, position)
        for broadcast_id, position, text, region, organization_id in page
        if organization_id in organization_ids and is_number(text, recipient, [region])
    ]
    return Found((page[-1][0], page[-1][1]) if len(page) == PAGE else None, keys)


def erase_rejects(connection: Connection, keys: Sequence[tuple[int, ...]]) -> int:
    """Erase what `find_rejects` found."""
    _overwrite_what_is_deleted(connection)
    return rows.change(
        connection,
        "UPDATE rejects SET recipient = '' FROM v WHERE rejects.broadcast_id = v.broadcast_id AND rejects.position = v.place",
        v=({"broadcast_id": "bigint", "place": "int"}, keys),
    )


def find_received(connection: Connection, table: str, recipient: int, after: tuple[int, ...] | None) -> Found:
    """Texts (`inbound`) that the person sent, or receipts that fit nothing (`orphans`) for messages to the person."""
    column = {"inbound": "sender", "orphans": "recipient"}[table]
    page = rows.all(
        connection,
        f"SELECT id, {column}, raw FROM {table} WHERE id > :after ORDER BY id LIMIT :page",
        after=after[0] if after else -1,
        page=PAGE,
    )
    regions = [region for (region,) in rows.all(connection, "SELECT DISTINCT region FROM organizations")]
    octets = str(recipient).encode()
    # What could not be read when it came was kept with nothing but its octets.
    keys: list[tuple[int, ...]] = [
        (row_id,) for row_id, text, raw in page if (is_number(text, recipient, regions) if text else octets in bytes(raw))
    ]
    return Found((page[-1][0],) if len(page) == PAGE else None, keys)


def erase_received(connection: Connection, table: str, keys: Sequence[tuple[int, ...]]) -> int:
    """Erase what `find_received` found: of texts remains that one came, receipts are deleted."""
    _overwrite_what_is_deleted(connection)
    change = {"inbound": "UPDATE inbound SET sender = '', text = '', raw = :nothing", "orphans": "DELETE FROM orphans"}[table]
    scalars: dict[str, object] = {"nothing": b""} if table == "inbound" else {}
    return rows.change(connection, f"{change} WHERE id IN (SELECT id FROM v)", v=({"id": "bigint"}, keys), **scalars)


def is_number(text: str, recipient: int, regions: Sequence[str]) -> bool:
    """Whether a text is this number, in a spelling of its own or as a carrier writes it in one of these countries."""
    digits = _NOT_DIGIT.sub("", text)
    if not digits or digits[-LIKENESS:] != str(recipient)[-LIKENESS:]:
        return False
    return (
        digits == str(recipient)
        or parse(f"+{digits}", ANYWHERE) == recipient
        or any(parse(text, region) == recipient for region in regions)
    )


def _overwrite_what_is_deleted(connection: Connection) -> None:
    """SQLite leaves in a page what was deleted from it, until it is written over."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
