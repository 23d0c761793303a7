"""Receipts of messages whose answer was lost: no id is known, so the one `unknown` of their recipient and sender is meant.

Section 4 of the design, numbers 2, 3 and 5. Never guessed: between two messages, between two ids for one message, and not while another
message to the same number is on its way. What was closed as `undetermined` counts where nothing is `unknown`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace
from sqlalchemy import Connection

from clarion.core.states import State
from clarion.core.submission import Receipt
from clarion.store import rows
from clarion.store.candidates import DAY_MICROS, REFERENCE_DAYS_MAX, Candidate, same_number
from clarion.store.catalog import Catalog
from clarion.store.deliveries import advance, settle
from clarion.store.facts import Fact
from clarion.store.receipts import apply, fact_of_receipt, failed_over, has_one_receipt


class Orphan(NamedTuple):
    """A receipt that fitted nothing by its id."""

    note: Receipt
    received_at: int


class _Meant(NamedTuple):
    """A message that orphans may be about."""

    candidate: Candidate
    segments: int


_UNKNOWNS = (
    "SELECT v.position, m.sender, m.segments, m.id, d.chunk_id, d.attempt, m.recipient, m.broadcast_id, m.organization_id, m.price_milli,"
    " 0, d.state FROM v CROSS JOIN messages m JOIN deliveries d ON d.message_id = m.id JOIN broadcasts b ON b.id = m.broadcast_id"
    " WHERE m.recipient = v.recipient AND d.carrier_id = :carrier_id AND d.carrier_reference IS NULL AND b.started_at <= v.received_at"
    " AND (d.state = 'unknown' OR d.state = 'undetermined' AND d.updated_at > :since)"
)
_RESENT = (
    "SELECT v.position, m.sender, m.segments, m.id, d.chunk_id, a.attempt, m.recipient, m.broadcast_id, m.organization_id,"
    " m.price_milli, 0, a.outcome FROM v CROSS JOIN messages m JOIN attempts a ON a.message_id = m.id"
    " JOIN deliveries d ON d.message_id = m.id JOIN broadcasts b ON b.id = m.broadcast_id"
    " WHERE m.recipient = v.recipient AND a.carrier_id = :carrier_id AND a.carrier_reference IS NULL AND a.outcome = 'unknown'"
    " AND a.receipt IS NULL AND a.ended_at > :since AND b.started_at <= v.received_at"
)
"""Attempts that were lost and made again: what became of them may still be told."""
# When a message was marked is not kept; when the first of its broadcast was, is: a receipt from before that is about something else.
_ON_THE_WAY = (
    "SELECT v.position FROM v CROSS JOIN messages m JOIN chunks c ON c.id = (SELECT max(h.id) FROM chunks h WHERE h.id <= m.id)"
    " LEFT JOIN deliveries d ON d.message_id = m.id WHERE m.recipient = v.recipient"
    " AND (d.state = 'marked' OR d.message_id IS NULL AND c.state = 'claimed' AND m.id <= c.marked_id)"
)
_COLUMNS = {"position": "int", "recipient": "bigint", "received_at": "bigint"}


def fit_unknowns(
    connection: Connection, carrier_id: int, orphans: Mapping[int, Orphan], now: int, catalog: Catalog | None = None
) -> list[int]:
    """Apply each of these orphans to the message that it must be about, and settle it; returns the ids of those that fitted."""
    ids = list(orphans)
    data = [
        (position, int(digits), orphans[orphan_id].received_at)
        for position, orphan_id in enumerate(ids)
        if (digits := orphans[orphan_id].note.recipient.lstrip("+0")).isascii() and digits.isdigit() and len(digits) < 19
    ]
    if not data:
        return []
    found: dict[int, list[_Meant]] = defaultdict(list)
    since = now - REFERENCE_DAYS_MAX * DAY_MICROS
    lock = rows.for_update(connection, "d")
    lost = [
        row
        for text in (_UNKNOWNS, _RESENT)
        for row in rows.execute(connection, text + lock, v=(_COLUMNS, data), carrier_id=carrier_id, since=since)
    ]
    for position, sender, segments, *rest in lost:
        note, candidate = orphans[ids[position]].note, Candidate(*rest)
        if same_sender(sender, note.sender) and same_number(candidate.recipient, note.recipient):
            found[position].append(_Meant(candidate, segments))
    busy = {position for (position,) in rows.execute(connection, _ON_THE_WAY, v=(_COLUMNS, data))}
    claims: dict[_Meant, list[int]] = defaultdict(list)
    for position, candidates in found.items():
        meant = _only(candidates, orphans[ids[position]].note.user_message_reference)
        if meant is not None and position not in busy:
            claims[meant].append(ids[position])
    return _apply_claims(connection, carrier_id, claims, orphans, now, catalog)


def _only(candidates: Sequence[_Meant], echoed: int) -> _Meant | None:
    named = [meant for meant in candidates if meant.candidate.message_id % 65_536 == echoed]
    open_ = named or [meant for meant in candidates if meant.candidate.state == State.UNKNOWN] or candidates
    # Two attempts of one message are one: which of them arrived does not matter.
    messages = {meant.candidate.message_id for meant in open_}
    return max(open_, key=lambda meant: meant.candidate.attempt) if len(messages) == 1 else None


def _apply_claims(
    connection: Connection,
    carrier_id: int,
    claims: Mapping[_Meant, list[int]],
    orphans: Mapping[int, Orphan],
    now: int,
    catalog: Catalog | None,
) -> list[int]:
    facts: list[Fact] = []
    fitted: list[int] = []
    whole = any(meant.segments > 1 for meant in claims) and has_one_receipt(connection, carrier_id)
    for meant, claimants in claims.items():
        if meant.segments > 1 and not whole:
            fitted += _apply_to_parts(connection, carrier_id, meant, {orphan_id: orphans[orphan_id].note for orphan_id in claimants}, now)
        elif len({orphans[orphan_id].note.reference for orphan_id in claimants}) == 1:
            notes = [orphans[orphan_id].note for orphan_id in claimants]
            facts += [fact_of_receipt(carrier_id, meant.candidate, note, note.reference or None) for note in notes]
            fitted += claimants
    facts, moved = failed_over(connection, catalog, facts, now)
    settle(connection, moved + advance(connection, facts, now), now)
    return fitted


def _apply_to_parts(connection: Connection, carrier_id: int, meant: _Meant, claimants: Mapping[int, Receipt], now: int) -> list[int]:
    """Which part a receipt is about does not matter, only that each part has its own: they take the open parts in order."""
    key = {"message_id": meant.candidate.message_id, "attempt": meant.candidate.attempt}
    rows.execute(
        connection,
        "INSERT INTO parts (message_id, attempt, part, carrier_id, state, updated_at)"
        " SELECT :message_id, :attempt, part, :carrier_id, 'unknown', :now FROM v WHERE true"
        " ON CONFLICT (message_id, attempt, part) DO NOTHING",
        v=({"part": "smallint"}, [(part,) for part in range(1, meant.segments + 1)]),
        carrier_id=carrier_id,
        now=now,
        **key,
    )
    open_ = [
        part
        for (part,) in rows.all(
            connection,
            "SELECT part FROM parts WHERE message_id = :message_id AND attempt = :attempt AND state = 'unknown'"
            " AND carrier_reference IS NULL ORDER BY part",
            **key,
        )
    ]
    places: dict[str, int] = {}
    matched: dict[int, tuple[Receipt, Candidate]] = {}
    for orphan_id, note in claimants.items():
        part = places.get(note.reference) or (open_.pop(0) if open_ else 0)
        if part:
            matched[orphan_id] = (note, replace(meant.candidate, part=part))
            if note.reference:
                places[note.reference] = part
    rows.execute(
        connection,
        "UPDATE parts SET carrier_reference = v.reference FROM v"
        " WHERE parts.message_id = :message_id AND parts.attempt = :attempt AND parts.part = v.part",
        v=({"part": "smallint", "reference": "text"}, [(part, reference) for reference, part in places.items()]),
        **key,
    )
    apply(connection, carrier_id, list(matched.values()), now)
    return list(matched)


def same_sender(sender: str | None, written: str) -> bool:
    """Whether a receipt's destination can be the sender that the message had. One that the carrier chose fits any."""
    return sender is None or sender.lstrip("+").casefold() == written.lstrip("+").casefold()
