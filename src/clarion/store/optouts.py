"""Opt-outs: numbers that an organization must not write to. Asked at accept and at every mark, so they hold from the next mark on."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.opt_out import STOP_WORDS, opt_out_word
from clarion.core.phone import parse
from clarion.store import inbound, rows
from clarion.store.carriers import own_senders
from clarion.store.inbound import Inbound

ANYWHERE = "ZZ"
"""No country (ISO 3166): what is in international form needs none."""


class Wish(NamedTuple):
    """Somebody's word: `phone` wrote it to `address`, both as the carrier spells them."""

    phone: str
    address: str
    word: str


class Heeded(NamedTuple):
    """What became of a wish. `organization_id` None: nobody had written to this phone from that address, so nobody is meant."""

    wish: Wish
    organization_id: int | None
    recipient: int | None


class OptOut(NamedTuple):
    """A number that is not written to, and why."""

    recipient: int
    reason: str
    created_at: int


def keep(connection: Connection, carrier_id: int, texts: Sequence[Inbound], wishes: Sequence[Wish], now: int) -> list[Heeded]:
    """Store inbound texts and heed the wishes among them, in their order. A text that comes twice is heeded twice, to no effect.

    A text whose last part came is heeded as a whole.
    """
    whole = inbound.keep(connection, carrier_id, texts, now)
    wishes = [*wishes, *(Wish(text.sender, text.recipient, word) for text in whole if (word := opt_out_word(text.text)) is not None)]
    regions = [region for (region,) in rows.all(connection, "SELECT DISTINCT region FROM organizations")] if wishes else []
    own = {_plain(sender) for sender in own_senders(connection, carrier_id)} if wishes else set()
    heeded = []
    for wish in wishes:
        meant = _meant(connection, wish, regions, own)
        if meant is not None:
            organization_id, recipient = meant
            if wish.word in STOP_WORDS:
                add(connection, organization_id, [recipient], wish.word, now)
            else:
                remove(connection, organization_id, [recipient])
            heeded.append(Heeded(wish, organization_id, recipient))
        else:
            heeded.append(Heeded(wish, None, None))
    return heeded


_NEWEST = (
    "SELECT id, organization_id, recipient FROM messages WHERE recipient = :recipient"
    " AND lower(ltrim(coalesce(sender, :own), '+')) = :address ORDER BY id DESC LIMIT 1"
)


def _meant(connection: Connection, wish: Wish, regions: Sequence[str], own: Collection[str]) -> tuple[int, int] | None:
    """(organization, number) of the newest message to this phone from the address that it wrote to.

    A carrier may give the phone in a national form: then every organization's region reads it, and two readings that were both
    written to are not chosen between. A message that names no sender went out from one of the carrier's `own`; where the carrier
    chose, any may be it.
    """
    address = _plain(wish.address)
    sender = address if address in own or "" in own else None
    found = [
        newest
        for reading in _readings(wish.phone, regions)
        if (newest := rows.one(connection, _NEWEST, recipient=reading, own=sender, address=address))
    ]
    return (found[0][1], found[0][2]) if len(found) == 1 else None


def _plain(address: str) -> str:
    return address.lstrip("+").lower()


def _readings(phone: str, regions: Sequence[str]) -> list[int]:
    if not phone.startswith("0"):
        number = parse(phone if phone.startswith("+") else f"+{phone}", ANYWHERE)
        return [] if number is None else [number]
    return sorted({number for region in regions if (number := parse(phone, region))})


def add(connection: Connection, organization_id: int, recipients: Sequence[int], reason: str, now: int) -> int:
    """Suppress numbers, E.164 digits; returns how many were not suppressed before. The first reason stays."""
    found = rows.execute(
        connection,
        "INSERT INTO suppressions (organization_id, recipient, reason, created_at)"
        " SELECT :organization_id, recipient, :reason, :now FROM v WHERE true"
        " ON CONFLICT (organization_id, recipient) DO NOTHING RETURNING recipient",
        v=({"recipient": "bigint"}, [(recipient,) for recipient in sorted(set(recipients))]),
        organization_id=organization_id,
        reason=reason,
        now=now,
    )
    return len(found)


def remove(connection: Connection, organization_id: int, recipients: Sequence[int]) -> int:
    """Let numbers be written to again; returns how many were suppressed."""
    found = rows.execute(
        connection,
        "DELETE FROM suppressions WHERE organization_id = :organization_id AND recipient IN (SELECT recipient FROM v) RETURNING recipient",
        v=({"recipient": "bigint"}, [(recipient,) for recipient in recipients]),
        organization_id=organization_id,
    )
    return len(found)


def page(connection: Connection, organization_id: int, after: int, limit: int) -> list[OptOut]:
    """Opt-outs in the order of their numbers, paged by key: the last number of a page is the next one's `after`."""
    found = rows.all(
        connection,
        "SELECT recipient, reason, created_at FROM suppressions WHERE organization_id = :organization_id AND recipient > :after"
        " ORDER BY recipient LIMIT :limit",
        organization_id=organization_id,
        after=after,
        limit=limit,
    )
    return [OptOut(*row) for row in found]


def count(connection: Connection, organization_id: int) -> int:
    """How many numbers an organization must not write to."""
    return int(
        rows.one(connection, "SELECT count(*) FROM suppressions WHERE organization_id = :organization_id", organization_id=organization_id)[
            0
        ]
    )
