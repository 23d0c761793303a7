"""Receipts that fitted nothing when they came: tried again when outcomes arrive, and by sweep (section 4 of the design).

An early receipt, before the answer to its message, finds its message as soon as the answer is recorded. One for a message whose answer
was lost finds the `unknown` with its recipient and sender, if there is exactly one and none of the same is still on its way.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.states import State
from clarion.store import rows
from clarion.store.deliveries import Fact, advance, settle
from clarion.store.receipts import FORMS, Candidate, Note, apply, match, same_number

ORPHANS_PER_SLICE = 500

_COLUMNS = "o.id, o.carrier_reference, o.recipient, o.sender, o.state, o.reason, o.user_message_reference, o.raw"


def retry_with_references(connection: Connection, carrier_id: int, form: str | None, references: Sequence[str], now: int) -> int:
    """Try the orphans that these newly recorded references may belong to; returns how many fitted."""
    if not references or not rows.all(connection, "SELECT 1 FROM orphans WHERE carrier_id = :carrier_id LIMIT 1", carrier_id=carrier_id):
        return 0
    # Reading hex to decimal and decimal to hex undo each other, so the same forms lead from an answer's id to a receipt's.
    spellings = {spelling for reference in references for read in FORMS.values() if (spelling := read(reference)) is not None}
    found = rows.execute(
        connection,
        f"SELECT {_COLUMNS} FROM v CROSS JOIN orphans o WHERE o.carrier_id = :carrier_id AND o.carrier_reference = v.reference",
        v=({"reference": "text"}, [(spelling,) for spelling in sorted(spellings)]),
        carrier_id=carrier_id,
    )
    return _fit(connection, carrier_id, form, {row[0]: Note(*row[1:]) for row in found}, now)


class Page(NamedTuple):
    """A slice of orphans that was tried; `last_id` is where the next one begins, None at the end."""

    last_id: int | None
    fitted: int


def retry_page(connection: Connection, after_id: int, settled_before: int, now: int) -> Page:
    """Try the next slice of orphans. Those received before `settled_before` may also belong to an `unknown` without a reference."""
    found = rows.all(
        connection,
        f"SELECT o.carrier_id, c.reference_form, o.received_at, {_COLUMNS} FROM orphans o LEFT JOIN carriers c ON c.id = o.carrier_id"
        " WHERE o.id > :after_id ORDER BY o.id LIMIT :limit",
        after_id=after_id,
        limit=ORPHANS_PER_SLICE,
    )
    by_carrier: dict[tuple[int, str | None], dict[int, Note]] = defaultdict(dict)
    old: set[int] = set()
    for carrier_id, form, received_at, orphan_id, *note in found:
        by_carrier[carrier_id, form][orphan_id] = Note(*note)
        if received_at < settled_before:
            old.add(orphan_id)
    fitted = 0
    for (carrier_id, form), notes in by_carrier.items():
        fitted += _fit(connection, carrier_id, form, notes, now)
        left = {orphan_id: note for orphan_id, note in notes.items() if orphan_id in old}
        fitted += _fit_unknowns(connection, carrier_id, left, now)
    return Page(found[-1][3] if len(found) == ORPHANS_PER_SLICE else None, fitted)


def _fit(connection: Connection, carrier_id: int, form: str | None, orphans: dict[int, Note], now: int) -> int:
    ids = list(orphans)
    notes = list(orphans.values())
    matched, _ = match(connection, carrier_id, form, notes, now)
    apply(connection, carrier_id, [(notes[position], candidate) for position, candidate in matched.items()], now)
    _delete(connection, [ids[position] for position in matched])
    for position in matched:
        del orphans[ids[position]]
    return len(matched)


_UNKNOWNS = (
    "SELECT v.position, m.id, d.chunk_id, d.attempt, m.recipient, m.broadcast_id, m.organization_id, m.price_milli, 0, d.state, m.sender"
    " FROM v CROSS JOIN messages m JOIN deliveries d ON d.message_id = m.id"
    " WHERE m.recipient = v.recipient AND d.state = 'unknown' AND d.carrier_id = :carrier_id AND d.carrier_reference IS NULL"
)
_ON_THE_WAY = (
    "SELECT v.position FROM v CROSS JOIN messages m JOIN chunks c ON c.id = (SELECT max(h.id) FROM chunks h WHERE h.id <= m.id)"
    " AND m.id <= c.marked_id AND c.state = 'claimed' LEFT JOIN deliveries d ON d.message_id = m.id"
    " WHERE m.recipient = v.recipient AND (d.message_id IS NULL OR d.state = 'marked')"
)


def _fit_unknowns(connection: Connection, carrier_id: int, orphans: dict[int, Note], now: int) -> int:
    """Give each of these orphans the one `unknown` of its recipient and sender; never guess between two."""
    ids = list(orphans)
    data = [
        (position, int(digits))
        for position, orphan_id in enumerate(ids)
        if (digits := orphans[orphan_id].recipient.lstrip("+0")).isascii() and digits.isdigit() and len(digits) < 19
    ]
    if not data:
        return 0
    columns = {"position": "int", "recipient": "bigint"}
    found: dict[int, list[Candidate]] = defaultdict(list)
    for position, *candidate, sender in rows.execute(connection, _UNKNOWNS, v=(columns, data), carrier_id=carrier_id):
        note = orphans[ids[position]]
        if same_sender(sender, note.sender) and same_number(candidate[3], note.recipient):
            found[position].append(Candidate(*candidate))
    busy = {position for (position,) in rows.execute(connection, _ON_THE_WAY, v=(columns, data))}
    facts: list[Fact] = []
    fitted: list[int] = []
    for position, candidates in found.items():
        note = orphans[ids[position]]
        echoed = [c for c in candidates if note.user_message_reference == c.message_id % 65_536]
        chosen = echoed if len(echoed) == 1 else candidates
        if len(chosen) == 1 and position not in busy:
            candidate = chosen[0]
            facts.append(
                Fact(
                    message_id=candidate.message_id,
                    chunk_id=candidate.chunk_id,
                    broadcast_id=candidate.broadcast_id,
                    organization_id=candidate.organization_id,
                    price_milli=candidate.price_milli,
                    attempt=candidate.attempt,
                    state=note.state or State.SENT,
                    carrier_id=carrier_id,
                    reference=note.reference or None,
                    reason=note.reason if note.state == State.UNDELIVERED else None,
                )
            )
            fitted.append(ids[position])
    settle(connection, advance(connection, facts, now), now)
    _delete(connection, fitted)
    return len(fitted)


def same_sender(sender: str | None, written: str) -> bool:
    """Whether a receipt's destination can be the sender that the message had. One that the carrier chose fits any."""
    return sender is None or sender.lstrip("+").casefold() == written.lstrip("+").casefold()


def _delete(connection: Connection, ids: Sequence[int]) -> None:
    rows.execute(
        connection, "DELETE FROM orphans WHERE id IN (SELECT id FROM v)", v=({"id": "bigint"}, [(orphan_id,) for orphan_id in ids])
    )
