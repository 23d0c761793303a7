"""Receipts move the messages that they are about; what fits nothing yet is kept as an orphan and tried again."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import astuple
from sqlalchemy import Connection

from clarion.core.carrier_url import one_receipt
from clarion.core.reference import FORMS
from clarion.core.states import HELD, RANK, State
from clarion.core.submission import Receipt
from clarion.store import failover, ordinary, rows
from clarion.store.candidates import DAY_MICROS, REFERENCE_DAYS_MAX, Candidate, match, tail
from clarion.store.catalog import Catalog
from clarion.store.deliveries import Moved, advance, count_moves, settle_counted
from clarion.store.facts import Fact, fact_of
from clarion.store.parts import TAKEN


class Recorded(NamedTuple):
    """What became of a batch of receipts: how many fitted, how many are orphans, and which forms fitted where forms differ."""

    matched: int
    orphaned: int
    forms: Counter[str]


def record_receipts(
    connection: Connection, carrier_id: int, form: str | None, notes: Sequence[Receipt], now: int, catalog: Catalog | None = None
) -> Recorded:
    """Apply the receipts that fit; keep the others as orphans. `form` is the one that this carrier is known for.

    What failed takes the next route of the catalog where its broadcast allows it.
    """
    delivered = _deliver(connection, carrier_id, form, notes, now)
    if len(delivered) == len(notes):
        return Recorded(len(notes), 0, Counter())
    notes = [note for position, note in enumerate(notes) if position not in delivered] if delivered else notes
    matched, forms = match(connection, carrier_id, form, notes, now)
    apply(connection, carrier_id, [(notes[position], candidate) for position, candidate in matched.items()], now, catalog)
    whole = len(matched) == len(notes)
    orphans = [] if whole else [note for position, note in enumerate(notes) if position not in matched and note.state]
    if orphans:
        rows.execute(
            connection,
            "INSERT INTO orphans (carrier_id, carrier_reference, recipient, sender, state, reason, user_message_reference, raw,"
            " received_at) SELECT :carrier_id, reference, recipient, sender, state, reason, umr, raw, :now FROM v WHERE true",
            v=(_RECEIPT, [astuple(note)[:-1] for note in orphans]),
            carrier_id=carrier_id,
            now=now,
        )
    return Recorded(len(delivered) + len(matched), len(orphans), forms)


def _deliver(connection: Connection, carrier_id: int, form: str | None, notes: Sequence[Receipt], now: int) -> set[int]:
    """On PostgreSQL: apply what is ordinary; returns the positions of those notes."""
    if connection.dialect.name == "sqlite" or form not in FORMS:
        return set()
    read = FORMS[form]
    spelled = [(position, read(note.reference), note) for position, note in enumerate(notes) if note.reference]
    seen = Counter([spelling for _, spelling, _ in spelled])
    receipts = [
        (position, spelling, tail(note.recipient))
        for position, spelling, note in spelled
        if spelling is not None and note.state == State.DELIVERED and seen[spelling] == 1
    ]
    return ordinary.deliver(connection, carrier_id, receipts, now - REFERENCE_DAYS_MAX * DAY_MICROS, now)


_RECEIPT = {
    "reference": "text",
    "recipient": "text",
    "sender": "text",
    "state": "text",
    "reason": "text",
    "umr": "int",
    "raw": "bytea",
}


def apply(
    connection: Connection, carrier_id: int, matched: Sequence[tuple[Receipt, Candidate]], now: int, catalog: Catalog | None = None
) -> None:
    """Move the messages that receipts are about, and settle them."""
    ending: dict[int, tuple[Receipt, Candidate]] = {}
    facts: list[Fact] = []
    split: list[tuple[Receipt, Candidate]] = []
    said: dict[int, tuple[Receipt, Candidate]] = {}
    sent, delivered = State.SENT, State.DELIVERED
    for note, candidate in matched:
        if candidate.part:
            split.append((note, candidate))
        elif candidate.state == sent and not note.state:
            said[candidate.message_id] = (note, candidate)
        elif candidate.state == sent:
            if note.state == delivered or candidate.message_id not in ending:
                ending[candidate.message_id] = (note, candidate)
        else:
            facts.append(fact_of_receipt(carrier_id, candidate, note))
    moved = _end_sent(connection, carrier_id, list(ending.values()), now, catalog)
    rows.execute(connection, _SAID, v=_words(said.values()), now=now)
    if facts:
        facts, failing_over = failed_over(connection, catalog, facts, now)
        moved.update(failing_over)
    if split:
        released, of_parts = _apply_parts(connection, carrier_id, split, now)
        moved.update(advance(connection, released, now))
        facts += of_parts
    if facts:
        moved.update(advance(connection, facts, now))
    settle_counted(connection, moved, now)


_GUARD = "(deliveries.attempt, deliveries.rank) < "
_DELIVER = (
    f"UPDATE deliveries SET state = 'delivered', rank = {RANK[State.DELIVERED]}, reason = NULL, updated_at = :now{{source}}"
    f" AND {_GUARD}(:attempt, {RANK[State.DELIVERED]})"
)
# SQLite takes a list of ids in half the time of a join; PostgreSQL plans the join better.
_DELIVER_AMONG = _DELIVER.format(source=" WHERE message_id IN (SELECT id FROM v)")
_DELIVER_JOINED = _DELIVER.format(source=" FROM v WHERE deliveries.message_id = v.id")
_FAIL = (
    f"UPDATE deliveries SET state = 'undelivered', rank = {RANK[State.UNDELIVERED]}, reason = v.reason, updated_at = :now FROM v"
    f" WHERE deliveries.message_id = v.id AND {_GUARD}(v.attempt, {RANK[State.UNDELIVERED]})"
)


# What was sent stays so, and tells what the carrier said of it last.
_SAID = (
    "UPDATE deliveries SET reason = v.reason, updated_at = :now FROM v"
    " WHERE deliveries.message_id = v.id AND deliveries.attempt = v.attempt AND deliveries.state = 'sent'"
)
_SAID_OF_PARTS = (
    "UPDATE parts SET reason = v.reason, updated_at = :now FROM v"
    " WHERE parts.message_id = v.id AND parts.attempt = v.attempt AND parts.part = v.part AND parts.state = 'sent'"
)


def _words(said: Iterable[tuple[Receipt, Candidate]]) -> rows.Values:
    last = {(candidate.message_id, candidate.attempt, candidate.part): note.reason for note, candidate in said if note.reason}
    return {"id": "bigint", "attempt": "smallint", "part": "smallint", "reason": "text"}, [
        (*key, words) for key, words in sorted(last.items())
    ]


def failed_over(connection: Connection, catalog: Catalog | None, facts: Sequence[Fact], now: int) -> tuple[list[Fact], list[Moved]]:
    """The facts without those undelivered messages that go to another carrier, and the moves of these."""
    failed = [fact for fact in facts if fact.state == State.UNDELIVERED]
    if catalog is None or not failed:
        return [*facts], []
    again = failover.after_receipt(connection, catalog, failed, now)
    return [fact for fact in facts if fact.state != State.UNDELIVERED or fact.message_id not in again.message_ids], again.moved


def _end_sent(
    connection: Connection, carrier_id: int, ending: Sequence[tuple[Receipt, Candidate]], now: int, catalog: Catalog | None
) -> Counter[Moved]:
    """The ordinary case, narrow: what was sent is delivered or is not. Returns the moves, counted.

    The guard lets all of them pass: they were read in this transaction, and locked, or SQLite's writer is alone.
    """
    delivered: dict[int, list[tuple[int]]] = defaultdict(list)
    well: list[Candidate] = []
    failed: list[Fact] = []
    end = State.DELIVERED
    for note, candidate in ending:
        if note.state == end:
            delivered[candidate.attempt].append((candidate.message_id,))
            well.append(candidate)
        else:
            failed.append(fact_of(candidate, State.UNDELIVERED, carrier_id, reason=note.reason))
    elsewhere: list[Moved] = []
    if failed:
        failed, elsewhere = failed_over(connection, catalog, failed, now)
    text = _DELIVER_AMONG if connection.dialect.name == "sqlite" else _DELIVER_JOINED
    data = [(fact.message_id, fact.attempt, fact.reason) for fact in failed]
    changed = rows.change(connection, _FAIL, v=({"id": "bigint", "attempt": "smallint", "reason": "text"}, data), now=now)
    for attempt, ids in delivered.items():
        changed += rows.change(connection, text, v=({"id": "bigint"}, ids), attempt=attempt, now=now)
    expected = len(well) + len(failed)
    if changed != expected:
        raise RuntimeError(f"{expected} messages were read as sent, and {changed} of them moved")
    return count_moves(well, State.SENT, end) + count_moves(failed, State.SENT, State.UNDELIVERED) + Counter(elsewhere)


def fact_of_receipt(carrier_id: int, candidate: Candidate, note: Receipt, reference: str | None = None) -> Fact:
    """What a receipt says of its message. One of any state is a taking too: what was unknown is at least sent (section 4, number 5)."""
    return fact_of(candidate, note.state or State.SENT, carrier_id, reference, note.reason or None)


def _apply_parts(
    connection: Connection, carrier_id: int, matched: Sequence[tuple[Receipt, Candidate]], now: int
) -> tuple[list[Fact], list[Fact]]:
    """Move parts, then say of each message what all of its parts say: undelivered by any, delivered by all, or by the last for all.

    A receipt says that its part was taken, and no more: one of which not all parts are known to be taken is not charged when a part
    fails. What comes first are the facts that give its money back, to be applied before the others.
    """
    final = [(note, candidate) for note, candidate in matched if note.state]
    rows.execute(connection, _SAID_OF_PARTS, v=_words(each for each in matched if not each[0].state), now=now)
    if not final:
        return [], []
    rows.execute(
        connection,
        "UPDATE parts SET state = v.state, reason = v.reason, updated_at = :now FROM v WHERE parts.message_id = v.message_id"
        " AND parts.attempt = v.attempt AND parts.part = v.part AND parts.state <> 'delivered'",
        v=(
            {"message_id": "bigint", "attempt": "smallint", "part": "smallint", "state": "text", "reason": "text"},
            _strongest(final),
        ),
        now=now,
    )
    by_message = {(candidate.message_id, candidate.attempt): candidate for _, candidate in final}
    found = rows.execute(
        connection,
        "SELECT p.message_id, p.attempt, m.segments, d.state, p.part, p.state, p.reason FROM v JOIN messages m ON m.id = v.message_id"
        " JOIN deliveries d ON d.message_id = m.id JOIN parts p ON p.message_id = v.message_id AND p.attempt = v.attempt",
        v=({"message_id": "bigint", "attempt": "smallint"}, sorted(by_message)),
    )
    states: dict[tuple[int, int], dict[int, tuple[str, str]]] = defaultdict(dict)
    segments: dict[int, int] = {}
    held: dict[int, bool] = {}
    for message_id, attempt, segments[message_id], message_state, part, state, reason in found:
        held[message_id] = message_state in HELD
        states[message_id, attempt][part] = (state, reason)
    last_for_all = has_one_receipt(connection, carrier_id)
    released: list[Fact] = []
    facts: list[Fact] = []
    for key, candidate in by_message.items():
        last = segments[key[0]]
        failed = next((reason for state, reason in states[key].values() if state == State.UNDELIVERED), None)
        whole = len(states[key]) == last and all(state in TAKEN for state, _ in states[key].values())
        if failed is not None:
            if held[key[0]] and not whole and not last_for_all:
                released.append(fact_of(candidate, State.UNDETERMINED, carrier_id))
            facts.append(fact_of(candidate, State.UNDELIVERED, carrier_id, reason=failed))
        elif all(states[key].get(part, ("", ""))[0] == State.DELIVERED for part in range(last if last_for_all else 1, last + 1)):
            facts.append(fact_of(candidate, State.DELIVERED, carrier_id))
        elif whole:
            facts.append(fact_of(candidate, State.SENT, carrier_id))
    return released, facts


def has_one_receipt(connection: Connection, carrier_id: int) -> bool:
    """Whether this carrier's long messages have one receipt each, not one for each part."""
    carrier = rows.one(connection, "SELECT url FROM carriers WHERE id = :carrier_id", carrier_id=carrier_id)
    return carrier is not None and one_receipt(carrier[0])


def _strongest(final: Iterable[tuple[Receipt, Candidate]]) -> list[tuple[int, int, int, str, str]]:
    """One row for each part: two receipts of one part in a batch would make the update's result a matter of chance."""
    chosen: dict[tuple[int, int, int], tuple[str, str]] = {}
    for note, candidate in final:
        key = (candidate.message_id, candidate.attempt, candidate.part)
        if key not in chosen or note.state == State.DELIVERED:
            chosen[key] = (note.state, note.reason)
    return [(*key, *value) for key, value in sorted(chosen.items())]


def learn_form(connection: Connection, carrier_id: int, form: str) -> None:
    """Keep the form in which this carrier's receipts write its ids."""
    rows.all(connection, "UPDATE carriers SET reference_form = :form WHERE id = :id", form=form, id=carrier_id)
