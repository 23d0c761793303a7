"""Contacts: people whom an organization writes to, in a campaign, in a list, or in both. A number is one contact of each."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.store import rows
from clarion.store.interface import interactive


class ContactDraft(NamedTuple):
    """One contact. `recipient` is E.164 digits, `fields` a JSON object; `campaign_id` None: only in its list."""

    organization_id: int
    campaign_id: int | None
    list_id: str
    recipient: int
    fields: str
    now: int


class Put(NamedTuple):
    """A contact that is stored now. `list_made`: it is the first one of its list."""

    id: int
    created_at: int
    list_made: bool


def add(connection: Connection, organization_id: int, campaign_id: int, records: Sequence[tuple[int, str]], now: int) -> None:
    """Store contacts of a campaign, as (recipient, fields as JSON); a number that it already has stays as it is."""
    rows.execute(
        connection,
        "INSERT INTO contacts (organization_id, campaign_id, recipient, fields, created_at)"
        " SELECT :organization_id, :campaign_id, recipient, fields, :now FROM v WHERE true"
        " ON CONFLICT (campaign_id, recipient) DO NOTHING",
        v=({"recipient": "bigint", "fields": "text"}, records),
        organization_id=organization_id,
        campaign_id=campaign_id,
        now=now,
    )


def among(connection: Connection, campaign_id: int, recipients: Sequence[int]) -> set[int]:
    """Those of the recipients that are contacts of the campaign."""
    found = rows.execute(
        connection,
        "SELECT c.recipient FROM v JOIN contacts c ON c.campaign_id = :campaign_id AND c.recipient = v.recipient",
        v=({"recipient": "bigint"}, [(recipient,) for recipient in recipients]),
        campaign_id=campaign_id,
    )
    return {recipient for (recipient,) in found}


@interactive
def put(connection: Connection, draft: ContactDraft) -> Put:
    """Store one contact, or new fields of one that its campaign, or without a campaign its list, already has."""
    list_made = not rows.all(
        connection,
        "SELECT 1 FROM contacts WHERE organization_id = :organization_id AND list_id = :list_id LIMIT 1",
        organization_id=draft.organization_id,
        list_id=draft.list_id,
    )
    known = _known(connection, draft)
    if known is not None:
        rows.execute(
            connection,
            "UPDATE contacts SET fields = :fields, list_id = :list_id WHERE id = :id",
            id=known[0],
            fields=draft.fields,
            list_id=draft.list_id,
        )
        return Put(known[0], known[1], list_made)
    campaign = "" if draft.campaign_id is None else ", campaign_id"
    value = "" if draft.campaign_id is None else ", :campaign_id"
    values = {} if draft.campaign_id is None else {"campaign_id": draft.campaign_id}
    made = rows.one(
        connection,
        f"INSERT INTO contacts (organization_id, list_id, recipient, fields, created_at{campaign})"
        f" VALUES (:organization_id, :list_id, :recipient, :fields, :now{value}) RETURNING id",
        organization_id=draft.organization_id,
        list_id=draft.list_id,
        recipient=draft.recipient,
        fields=draft.fields,
        now=draft.now,
        **values,
    )
    return Put(int(made[0]), draft.now, list_made)


def _known(connection: Connection, draft: ContactDraft) -> tuple[int, int] | None:
    if draft.campaign_id is None:
        row = rows.one(
            connection,
            "SELECT id, created_at FROM contacts WHERE organization_id = :organization_id AND recipient = :recipient"
            f" AND list_id = :list_id AND campaign_id IS NULL ORDER BY id LIMIT 1{rows.for_update(connection)}",
            organization_id=draft.organization_id,
            recipient=draft.recipient,
            list_id=draft.list_id,
        )
    else:
        row = rows.one(
            connection,
            f"SELECT id, created_at FROM contacts WHERE campaign_id = :campaign_id AND recipient = :recipient{rows.for_update(connection)}",
            campaign_id=draft.campaign_id,
            recipient=draft.recipient,
        )
    return None if row is None else (int(row[0]), int(row[1]))
