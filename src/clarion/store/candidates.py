"""Whose receipt is it (section 4 of the design): by the carrier's id in the form that fits, checked against the recipient.

The literal form alone is wrong: with hexadecimal answers and decimal receipts four in ten ids are some other message's. Two candidates
are never guessed between.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection

from clarion.core.reference import FORMS
from clarion.core.submission import Receipt
from clarion.store import rows

REFERENCE_DAYS_MAX = 7
"""Carriers use their ids again: older messages are no candidates."""

TAIL_DIGITS = 8
"""The recipient's last digits that must agree, or all that there are: carriers write the rest as they like."""

DAY_MICROS = 86_400_000_000


class Candidate(Struct, frozen=True, gc=False, array_like=True):
    """A message, or a part of one, that a receipt may be about."""

    message_id: int
    chunk_id: int
    attempt: int
    recipient: int
    broadcast_id: int
    organization_id: int
    price_milli: int
    part: int  # 0: the message as a whole
    state: str  # of the message, "" where the match is not with its last attempt
    position: int = -1  # of the note, where it was found for one
    spelling: str = ""  # of the note's id, that led here


def match(
    connection: Connection, carrier_id: int, form: str | None, notes: Sequence[Receipt], now: int
) -> tuple[dict[int, Candidate], Counter[str]]:
    """The candidate of each note (by its position) that has exactly one. The known form is tried first, then all of them."""
    found = _by_known_form(connection, carrier_id, form, notes, now) if form in FORMS else {}
    left = [] if len(found) == len(notes) else [position for position in range(len(notes)) if position not in found]
    votes: Counter[str] = Counter()
    candidates: dict[int, dict[Candidate, list[str]]] = defaultdict(dict)
    for source in (_IN_DELIVERIES, _IN_PARTS, _IN_ATTEMPTS) if left else ():
        for position, some in _candidates(connection, source, carrier_id, notes, left, now).items():
            candidates[position] |= some
    for position, some in candidates.items():
        if len(some) == 1:
            (found[position],) = some
            votes.update(*some.values())
    return found, votes


_SELECT = (
    "SELECT {row}.message_id, d.chunk_id, {row}.attempt, m.recipient, m.broadcast_id, m.organization_id, m.price_milli, {part}, {state},"
    " v.position, v.reference FROM v CROSS JOIN {joins} JOIN messages m ON m.id = {row}.message_id"
    " WHERE {row}.carrier_id = :carrier_id AND {row}.carrier_reference = v.reference AND {row}.{time} > :since"
)
# CROSS JOIN, because without it SQLite begins at the carrier's rows, all of them, instead of the few of `v`.
_IN_DELIVERIES = _SELECT.format(row="d", part="0", state="d.state", joins="deliveries d", time="updated_at")
_IN_PARTS = _SELECT.format(
    row="p", part="p.part", state="''", joins="parts p JOIN deliveries d ON d.message_id = p.message_id", time="updated_at"
)
_IN_ATTEMPTS = _SELECT.format(
    row="a", part="0", state="''", joins="attempts a JOIN deliveries d ON d.message_id = a.message_id", time="ended_at"
)


def _by_known_form(connection: Connection, carrier_id: int, form: str, notes: Sequence[Receipt], now: int) -> dict[int, Candidate]:
    """The ordinary case: single-part messages of a carrier whose form is known, each found by its one id."""
    read = FORMS[form]
    data = [
        (position, spelling) for position, note in enumerate(notes) if note.reference and (spelling := read(note.reference)) is not None
    ]
    found: dict[int, Candidate] = {}
    doubtful: set[int] = set()
    for candidate in _look_up(connection, _IN_DELIVERIES, carrier_id, data, now):
        position = candidate.position
        written = notes[position].recipient
        if written == str(candidate.recipient) or same_number(candidate.recipient, written):
            if position in found:
                doubtful.add(position)
            found[position] = candidate
    for position in doubtful:
        del found[position]
    return found


def _candidates(
    connection: Connection, source: str, carrier_id: int, notes: Sequence[Receipt], positions: Sequence[int], now: int
) -> dict[int, dict[Candidate, list[str]]]:
    """For each position its candidates under every form, and the form that leads to each where forms differ."""
    led_by: dict[tuple[int, str], list[str]] = defaultdict(list)
    for position in positions:
        reference = notes[position].reference
        for name, read in FORMS.items():
            spelling = read(reference) if reference else None
            if spelling is not None:
                led_by[position, spelling].append(name)
    result: dict[int, dict[Candidate, list[str]]] = defaultdict(dict)
    for candidate in _look_up(connection, source, carrier_id, list(led_by), now):
        if same_number(candidate.recipient, notes[candidate.position].recipient):
            names = led_by[candidate.position, candidate.spelling]
            # The same row, whichever form leads to it.
            result[candidate.position][replace(candidate, spelling="")] = names if len(names) == 1 else []
    return result


def _look_up(connection: Connection, source: str, carrier_id: int, data: Sequence[tuple[int, str]], now: int) -> list[Candidate]:
    return rows.read(
        connection,
        Candidate,
        by_reference(connection, source) + rows.for_update(connection, "d"),
        v=({"position": "int", "reference": "text"}, data),
        carrier_id=carrier_id,
        since=now - REFERENCE_DAYS_MAX * DAY_MICROS,
    )


_LOOKED_UP = r"CROSS JOIN LATERAL (SELECT * FROM \1 WHERE carrier_id = :carrier_id AND carrier_reference = v.reference OFFSET 0) \2"


def by_reference(connection: Connection, text: str) -> str:
    """The statement with the table that stands beside `v` looked up for each row of it, also where PostgreSQL would rather begin there.

    It keeps what it has planned for a table that was nearly empty, and would read all of a carrier's rows for each batch.
    """
    return text if connection.dialect.name == "sqlite" else re.sub(r"CROSS JOIN (\w+) (\w+)", _LOOKED_UP, text, count=1)


def same_number(recipient: int, written: str) -> bool:
    """Whether a carrier's spelling of an address can be this number. A carrier that hides addresses writes none."""
    known = str(recipient)
    return written == known or known.endswith(tail(written))


def tail(written: str) -> str:
    """The last digits of a carrier's spelling."""
    return written.lstrip("+0")[-TAIL_DIGITS:]
