"""Receipts that fitted nothing when they came: tried again when outcomes arrive, and by sweep (section 4 of the design).

An early receipt, before the answer to its message, finds its message as soon as the answer is recorded. One for a message whose answer
was lost finds the `unknown` with its recipient and sender, if there is exactly one and none of the same is still on its way.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from clarion.core.reference import FORMS
from clarion.core.submission import Receipt
from clarion.store import rows
from clarion.store.candidates import by_reference, match
from clarion.store.catalog import Catalog
from clarion.store.receipts import apply
from clarion.store.unknowns import Orphan, fit_unknowns

ORPHANS_PER_SLICE = 500

_COLUMNS = "o.id, o.carrier_reference, o.recipient, o.sender, o.state, o.reason, o.user_message_reference, o.raw"


def retry_with_references(
    connection: Connection, carrier_id: int, form: str | None, references: Iterable[str], now: int, catalog: Catalog | None = None
) -> int:
    """Try the orphans that these newly recorded references may belong to; returns how many fitted."""
    if not rows.all(connection, "SELECT 1 FROM orphans WHERE carrier_id = :carrier_id LIMIT 1", carrier_id=carrier_id):
        return 0
    # Reading hex to decimal and decimal to hex undo each other, so the same forms lead from an answer's id to a receipt's.
    spellings = {spelling for reference in references for read in FORMS.values() if (spelling := read(reference)) is not None}
    found = rows.execute(
        connection,
        by_reference(
            connection,
            f"SELECT {_COLUMNS} FROM v CROSS JOIN orphans o WHERE o.carrier_id = :carrier_id AND o.carrier_reference = v.reference",
        ),
        v=({"reference": "text"}, [(spelling,) for spelling in sorted(spellings)]),
        carrier_id=carrier_id,
    )
    return _fit(connection, carrier_id, form, {row[0]: Receipt(*row[1:]) for row in found}, now, catalog)


class Page(NamedTuple):
    """A slice of orphans that was tried; `last_id` is where the next one begins, None at the end."""

    last_id: int | None
    fitted: int


def retry_page(connection: Connection, after_id: int, settled_before: int, now: int, catalog: Catalog | None = None) -> Page:
    """Try the next slice of orphans. Those received before `settled_before` may also belong to an `unknown` without a reference."""
    found = rows.all(
        connection,
        f"SELECT o.carrier_id, c.reference_form, o.received_at, {_COLUMNS} FROM orphans o LEFT JOIN carriers c ON c.id = o.carrier_id"
        " WHERE o.id > :after_id ORDER BY o.id LIMIT :limit",
        after_id=after_id,
        limit=ORPHANS_PER_SLICE,
    )
    by_carrier: dict[tuple[int, str | None], dict[int, Receipt]] = defaultdict(dict)
    received: dict[int, int] = {}
    for carrier_id, form, received_at, orphan_id, *note in found:
        by_carrier[carrier_id, form][orphan_id] = Receipt(*note)
        received[orphan_id] = received_at
    fitted = 0
    for (carrier_id, form), notes in by_carrier.items():
        fitted += _fit(connection, carrier_id, form, notes, now, catalog)
        left = {key: Orphan(note, received[key]) for key, note in notes.items() if received[key] < settled_before}
        resolved = fit_unknowns(connection, carrier_id, left, now, catalog)
        _delete(connection, resolved)
        fitted += len(resolved)
    return Page(found[-1][3] if len(found) == ORPHANS_PER_SLICE else None, fitted)


def _fit(connection: Connection, carrier_id: int, form: str | None, orphans: dict[int, Receipt], now: int, catalog: Catalog | None) -> int:
    ids = list(orphans)
    notes = list(orphans.values())
    matched, _ = match(connection, carrier_id, form, notes, now)
    apply(connection, carrier_id, [(notes[position], candidate) for position, candidate in matched.items()], now, catalog)
    _delete(connection, [ids[position] for position in matched])
    for position in matched:
        del orphans[ids[position]]
    return len(matched)


def _delete(connection: Connection, ids: Sequence[int]) -> None:
    rows.execute(
        connection, "DELETE FROM orphans WHERE id IN (SELECT id FROM v)", v=({"id": "bigint"}, [(orphan_id,) for orphan_id in ids])
    )
