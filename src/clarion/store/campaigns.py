"""Campaigns: containers of broadcasts and contacts, under ids that the clients choose.

A campaign is found by whoever may act for its organization: that organization itself, and the one that made it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from clarion.store import rows
from clarion.store.interface import interactive

PROCESSING = "processing"
"""Its contacts are still being stored. One that stays so was cut off, and may be made again under the same id."""

ACTIVE = "active"

PAUSED = "paused"
COMPLETED = "completed"
ENDED = "ended"
"""What a campaign stands at beyond its own two states: see `standings`."""


class Campaign(NamedTuple):
    """`external_id` is the client's own, `state` processing or active, `details` a JSON object."""

    id: int
    organization_id: int
    external_id: str
    name: str
    state: str
    sender: str | None
    agent_id: str | None
    details: str
    created_at: int


class CampaignDraft(NamedTuple):
    """A campaign to be made. `now` in microseconds."""

    organization_id: int
    face: str
    external_id: str
    name: str
    sender: str | None
    agent_id: str | None
    details: str
    now: int


class Totals(NamedTuple):
    """How much a campaign has: its contacts, and the messages of all its broadcasts."""

    contacts: int
    messages: int


class CampaignMessage(NamedTuple):
    """A message of a campaign; `offset` in its broadcast makes its public id."""

    broadcast: UUID
    offset: int
    recipient: int
    sender: str | None
    text: str
    state: str
    created_at: int


_COLUMNS = ", ".join(Campaign._fields)
_FAMILY = "(organization_id = :organization_id OR organization_id IN (SELECT id FROM organizations WHERE parent_id = :organization_id))"


def find(connection: Connection, organization_id: int, face: str, external_id: str) -> Campaign | None:
    """The campaign of this id that the organization may act for; its own goes before one of an organization that it made."""
    row = rows.one(
        connection,
        f"SELECT {_COLUMNS} FROM campaigns WHERE face = :face AND external_id = :external_id AND {_FAMILY}"
        " ORDER BY CASE WHEN organization_id = :organization_id THEN 0 ELSE 1 END, id LIMIT 1",
        organization_id=organization_id,
        face=face,
        external_id=external_id,
    )
    return None if row is None else Campaign(*row)


@interactive
def begin(connection: Connection, draft: CampaignDraft, acting_id: int) -> int | None:
    """Make a campaign without contacts yet; its id, or None if `acting_id` already has or may act for one of this name.

    One that was cut off while its contacts were stored is taken up again with what the draft says.
    """
    values = {"name": draft.name, "sender": draft.sender or "", "agent_id": draft.agent_id or "", "details": draft.details}
    known = find(connection, acting_id, draft.face, draft.external_id)
    if known is not None:
        if known.state != PROCESSING or known.organization_id != draft.organization_id:
            return None
        rows.all(
            connection,
            "UPDATE campaigns SET name = :name, sender = nullif(:sender, ''), agent_id = nullif(:agent_id, ''), details = :details"
            " WHERE id = :id",
            id=known.id,
            **values,
        )
        return known.id
    made = rows.one(
        connection,
        "INSERT INTO campaigns (organization_id, face, external_id, name, state, sender, agent_id, details, created_at)"
        " VALUES (:organization_id, :face, :external_id, :name, :state, nullif(:sender, ''), nullif(:agent_id, ''), :details, :now)"
        " ON CONFLICT (organization_id, face, external_id) DO NOTHING RETURNING id",
        organization_id=draft.organization_id,
        face=draft.face,
        external_id=draft.external_id,
        state=PROCESSING,
        now=draft.now,
        **values,
    )
    return None if made is None else int(made[0])


@interactive
def activate(connection: Connection, campaign_id: int) -> int:
    """All its contacts are stored; returns how many it has."""
    rows.execute(
        connection,
        "UPDATE campaigns SET state = :active WHERE id = :id AND state = :processing",
        id=campaign_id,
        active=ACTIVE,
        processing=PROCESSING,
    )
    return _contacts(connection, campaign_id)


def totals(connection: Connection, campaign_id: int) -> Totals:
    """Counted now."""
    messages = rows.one(
        connection,
        "SELECT coalesce(sum(last_id - first_id + 1), 0) FROM broadcasts WHERE campaign_id = :id AND state <> 'accepting'",
        id=campaign_id,
    )[0]
    return Totals(_contacts(connection, campaign_id), int(messages))


def standings(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, str]:
    """How far the sends of each campaign are, of those that have any: whoever pauses or calls off a broadcast does it to its campaign too.

    `active` while anything goes out, else `paused` while something waits for a person, else `ended` if the newest send was called off,
    else `completed`.
    """
    found = rows.execute(
        connection,
        "SELECT b.campaign_id, b.state, max(b.id) FROM v JOIN broadcasts b ON b.campaign_id = v.id"
        " WHERE b.state <> 'accepting' AND b.last_id >= b.first_id GROUP BY b.campaign_id, b.state",
        v=({"id": "bigint"}, [(campaign_id,) for campaign_id in campaign_ids]),
    )
    newest: dict[int, dict[str, int]] = {}
    for campaign_id, state, broadcast_id in found:
        newest.setdefault(campaign_id, {})[state] = broadcast_id
    return {campaign_id: _standing(states) for campaign_id, states in newest.items()}


def _standing(newest: Mapping[str, int]) -> str:
    if "accepted" in newest:
        return ACTIVE
    if "paused" in newest:
        return PAUSED
    return COMPLETED if max(newest, key=newest.__getitem__) == "completed" else ENDED


def campaigns_of(connection: Connection, organization_id: int, face: str) -> list[Campaign]:
    """All campaigns of one organization, the newest first."""
    found = rows.all(
        connection,
        f"SELECT {_COLUMNS} FROM campaigns WHERE organization_id = :organization_id AND face = :face ORDER BY id DESC",
        organization_id=organization_id,
        face=face,
    )
    return [Campaign(*row) for row in found]


def messages(connection: Connection, campaign_id: int, after: int, limit: int) -> list[CampaignMessage]:
    """The newest messages of a campaign first, of broadcasts made later than `after` (microseconds), at most `limit`."""
    broadcasts = rows.all(
        connection,
        "SELECT id, public_id, first_id, last_id, text, created_at FROM broadcasts WHERE campaign_id = :id AND created_at > :after"
        " AND state <> 'accepting' AND last_id >= first_id ORDER BY id DESC LIMIT :limit",
        id=campaign_id,
        after=after,
        limit=limit,
    )
    by_id = {row[0]: row for row in broadcasts}
    ranges = []
    left = limit
    for broadcast_id, _, first_id, last_id, *_ in broadcasts:
        if left <= 0:
            break
        first = max(first_id, last_id - left + 1)
        ranges.append((broadcast_id, first, last_id))
        left -= last_id - first + 1
    found = rows.execute(
        connection,
        "SELECT m.broadcast_id, m.id, m.recipient, m.sender, m.text,"
        " coalesce(d.state, CASE WHEN m.id <= c.marked_id THEN 'marked' ELSE 'waiting' END)"
        " FROM v JOIN chunks c ON c.broadcast_id = v.id JOIN messages m ON m.id BETWEEN c.id AND c.last_id"
        " LEFT JOIN deliveries d ON d.message_id = m.id WHERE m.id BETWEEN v.first_id AND v.last_id",
        v=({"id": "bigint", "first_id": "bigint", "last_id": "bigint"}, ranges),
    )
    found.sort(key=lambda row: row[1], reverse=True)
    return [_message(row, by_id[row[0]]) for row in found]


def _message(row: Sequence[Any], broadcast: Sequence[Any]) -> CampaignMessage:
    _, message_id, recipient, sender, text, state = row
    _, public_id, first_id, _, shared_text, created_at = broadcast
    shown_id = public_id if isinstance(public_id, UUID) else UUID(hex=public_id)
    return CampaignMessage(shown_id, message_id - first_id + 1, recipient, sender, text or shared_text, state, created_at)


def _contacts(connection: Connection, campaign_id: int) -> int:
    return int(rows.one(connection, "SELECT count(*) FROM contacts WHERE campaign_id = :id", id=campaign_id)[0])
